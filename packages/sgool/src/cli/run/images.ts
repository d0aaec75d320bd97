/** @file The images that a run writes beside its result: the saliency map and the strip of iterations. */
import { arrangeImages, drawBoxes, overlayHeatMap } from '../../image/draw.ts';
import type { Image } from '../../image/image.ts';
import { resampleMatrix, resamplePlane } from '../../image/resample.ts';
import { resizeImage } from '../../image/resize.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';

/** Small images are enlarged to about this side, by a whole number, before boxes and heat map are drawn. */
const HEAT_SIDE = 384;
const FRAME_SIDE = { least: 128, most: 256 };
/** Most images in the strip. */
const MAX_FRAMES = 8;

/** A heat map over the image, with the boxes of the regions. */
export function saliencyImage(image: Image, map: SaliencyMap, regions: readonly Region[]): Image {
  const factor = Math.max(1, Math.round(HEAT_SIDE / Math.max(image.width, image.height)));
  const [width, height] = [image.width * factor, image.height * factor];
  const heat = resamplePlane(
    map.data,
    map.width,
    resampleMatrix(map.height, height, { filter: 'bilinear' }),
    resampleMatrix(map.width, width, { filter: 'bilinear' }),
  );
  const boxes = regions.map((region) => ({
    x: region.left * factor,
    y: region.top * factor,
    width: region.width * factor,
    height: region.height * factor,
  }));
  return drawBoxes(overlayHeatMap(resizeImage(image, width, height), heat), boxes);
}

/** An image of the strip. */
export interface Frame {
  readonly iteration: number;
  readonly image: Image;
  /** CLIP A score. */
  readonly score?: number;
}

/** Iterations by what their images are kept for. */
export interface FrameKeeperState {
  readonly stride: number;
  readonly kept: readonly number[];
  readonly last?: number;
  readonly best?: number;
}

/** Keeps a bounded number of images of a run of any length, enough for a strip. */
export class FrameKeeper {
  private stride = 1;
  private kept: Frame[] = [];
  private last: Frame | undefined;
  private best: Frame | undefined;

  add(frame: Frame, isBest: boolean): void {
    this.last = frame;
    if (isBest) this.best = frame;
    if (frame.iteration % this.stride !== 0) return;
    this.kept.push(frame);
    if (this.kept.length <= 4 * MAX_FRAMES) return;
    this.stride *= 2;
    this.kept = this.kept.filter(({ iteration }) => iteration % this.stride === 0);
  }

  /** The iterations whose images it keeps. */
  state(): FrameKeeperState {
    return {
      stride: this.stride,
      kept: this.kept.map(({ iteration }) => iteration),
      last: this.last?.iteration,
      best: this.best?.iteration,
    };
  }

  /** Goes on from a state. @param frameOf the frame of an iteration that the state names */
  restore({ stride, kept, last, best }: FrameKeeperState, frameOf: (iteration: number) => Frame): void {
    this.stride = stride;
    const frames = new Map(
      [...kept, last, best].flatMap((one) => (one === undefined ? [] : [[one, frameOf(one)] as const])),
    );
    this.kept = kept.flatMap((iteration) => frames.get(iteration) ?? []);
    // The same objects again: they are compared.
    this.last = last === undefined ? undefined : frames.get(last);
    this.best = best === undefined ? undefined : frames.get(best);
  }

  /** At most eight frames, evenly chosen; the first, the last and the best are among them. */
  chosen(): { frames: Frame[]; best: Frame | undefined } {
    const all = [...this.kept];
    if (this.last !== undefined && all.at(-1) !== this.last) all.push(this.last);
    const count = Math.min(MAX_FRAMES, all.length);
    const frames = Array.from({ length: count }, (_, i) =>
      count === 1 ? all[0] : all[Math.round((i * (all.length - 1)) / (count - 1))],
    );
    const { best } = this;
    if (best !== undefined && !frames.includes(best)) {
      if (frames.length < MAX_FRAMES) frames.push(best);
      else frames[nearestInside(frames, best)] = best;
      frames.sort((a, b) => a.iteration - b.iteration);
    }
    return { frames, best };
  }
}

/** The index of the frame closest to the given one; never the first or the last. */
function nearestInside(frames: readonly Frame[], { iteration }: Frame): number {
  let nearest = 1;
  for (let i = 2; i < frames.length - 1; i++) {
    const isNearer =
      Math.abs(frames[i].iteration - iteration) < Math.abs(frames[nearest].iteration - iteration);
    if (isNearer) nearest = i;
  }
  return nearest;
}

/** Frames side by side, with iteration and CLIP score under each; the best one is marked. */
export function progressImage(frames: readonly Frame[], best: Frame | undefined): Image {
  const { width, height } = frames[0].image;
  const side = Math.max(width, height);
  const scale = Math.min(FRAME_SIDE.most, Math.max(FRAME_SIDE.least, side)) / side;
  const size = [Math.round(width * scale), Math.round(height * scale)] as const;
  return arrangeImages(
    frames.map(({ image }) => resizeImage(image, ...size)),
    {
      captions: frames.map(({ iteration, score }, i) =>
        [
          String(iteration),
          score === undefined ? '' : `CLIP ${score.toFixed(2)}`,
          frames[i] === best ? 'best' : '',
        ]
          .filter((part) => part !== '')
          .join('  '),
      ),
      textScale: size[0] >= 192 ? 2 : 1,
    },
  );
}
