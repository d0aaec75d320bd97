/** @file The frames of what a run makes or begins with: one of a picture, all of a clip. They are encoded, decoded and judged one by one. */
import { NotFiniteError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { addFrameLatent, frameLatent, framesOf } from '../../models/frames.ts';
import { dot, mean, minimum, product } from '../../numbers.ts';
import type { ClipScores, Pipeline } from '../../pipeline/pipeline.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { FramesReport, Iteration } from './iteration.ts';
import type { Run } from './run.ts';

/**
 * Decodes a latent frame by frame.
 *
 * @param iteration for progress, which is reported of clips alone
 */
export async function decodeFrames(
  pipeline: Pick<Pipeline, 'decode' | 'latentShape'>,
  { settings, signal, stepReporter }: Pick<Run<SamplingSettings>, 'settings' | 'signal' | 'stepReporter'>,
  latent: Float64Array,
  iteration: number,
): Promise<readonly Image[]> {
  const shape = pipeline.latentShape(settings);
  const steps = framesOf(shape);
  if (steps === 1) return [await pipeline.decode(latent, settings)];
  const report = stepReporter('decode', iteration);
  const frames: Image[] = [];
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    frames.push(await pipeline.decode(frameLatent(latent, shape, step), settings));
    report({ step, steps });
  }
  return frames;
}

/**
 * The latent of a picture, or of the frames of a clip, which are encoded one by one.
 *
 * @param images as many as the settings have frames
 * @param drawPosterior draws standard normal numbers for each frame, which then is a sample of the latents that it has. Default: the likeliest one
 */
export async function encodeFrames(
  pipeline: Pick<Pipeline, 'encode' | 'latentShape'>,
  { settings, signal, stepReporter }: Pick<Run<SamplingSettings>, 'settings' | 'signal' | 'stepReporter'>,
  images: readonly Image[],
  drawPosterior?: () => Float64Array,
): Promise<Float64Array> {
  const steps = images.length;
  if (steps === 1) return pipeline.encode(images[0], drawPosterior?.());
  const shape = pipeline.latentShape(settings);
  const report = stepReporter('encode', 0);
  const latent = new Float64Array(product(shape));
  for (const [step, image] of images.entries()) {
    signal?.throwIfAborted();
    addFrameLatent(latent, shape, step, await pipeline.encode(image, drawPosterior?.()));
    report({ step, steps });
  }
  return latent;
}

/** The frame that stands for a clip: the one in the middle. */
export const middleFrame = (frames: readonly Image[]): Image => frames[Math.floor(frames.length / 2)];

/** What critics say of the frames of an image or a clip. */
export interface Judgement {
  /** Mean over the frames. */
  readonly clip: ClipScores;
  /** Of each frame. */
  readonly frameScores: readonly ClipScores[];
  /** Of a clip. */
  readonly overFrames?: FramesReport;
  /** Of a critic that gave no finite numbers: to be thrown when the image was given out. */
  readonly failure?: NotFiniteError;
}

/** The CLIP scores of the frames. A critic that gives no finite numbers ends the run, but not before the image was given out. */
export async function judge(
  pipeline: Pick<Pipeline, 'score' | 'critic' | 'model'>,
  { target, signal }: Pick<Run, 'target' | 'signal'>,
  frames: readonly Image[],
): Promise<Judgement> {
  const frameScores: ClipScores[] = [];
  try {
    for (const frame of frames) {
      if (frames.length > 1) signal?.throwIfAborted();
      frameScores.push(await pipeline.score(frame, target));
    }
    const clip = scoresBy(frameScores, mean);
    if (frames.length === 1) return { clip, frameScores };
    return { clip, frameScores, overFrames: await framesReport(pipeline, frames, frameScores) };
  } catch (failure) {
    if (!(failure instanceof NotFiniteError)) throw failure;
    return { clip: {}, frameScores: [], failure };
  }
}

/** One score of each CLIP from those of the frames. */
function scoresBy(scores: readonly ClipScores[], of: (values: readonly number[]) => number): ClipScores {
  const valuesOf = (name: keyof ClipScores) => scores.flatMap((score) => score[name] ?? []);
  const [first] = scores;
  if (scores.length === 1) return first;
  return Object.fromEntries(
    (['A', 'B'] as const).map((name) => {
      const values = valuesOf(name);
      return [name, values.length === 0 ? undefined : of(values)];
    }),
  );
}

/** What is said of a clip beside its scores. */
async function framesReport(
  pipeline: Pick<Pipeline, 'critic' | 'model'>,
  frames: readonly Image[],
  scores: readonly ClipScores[],
): Promise<FramesReport> {
  const consistency = pipeline.model.has.clip ? await frameConsistency(pipeline, frames) : undefined;
  return {
    least: scoresBy(scores, minimum),
    ...(consistency === undefined ? {} : { consistency }),
    motion: pixelMotion(frames),
  };
}

async function frameConsistency(
  pipeline: Pick<Pipeline, 'critic'>,
  frames: readonly Image[],
): Promise<number> {
  const critic = await pipeline.critic();
  const embedded: Float32Array[] = [];
  for (const frame of frames) embedded.push(await critic.embedImage(frame));
  return meanCosine(embedded);
}

/** Mean cosine of neighbouring unit vectors. */
export const meanCosine = (vectors: readonly Float32Array[]): number =>
  mean(vectors.slice(1).map((vector, f) => dot(vector, vectors[f])));

/** Mean absolute difference of neighbouring frames, 0 (they stand still) to 1 (black and white in turn). */
export function pixelMotion(frames: readonly Image[]): number {
  const differences = frames.slice(1).map(({ data }, f) => {
    const before = frames[f].data;
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += Math.abs(data[i] - before[i]);
    return sum / (255 * data.length);
  });
  return differences.length === 0 ? 0 : mean(differences);
}

/** The frame that the CLIP which guides finds worst; undefined of a picture, and without that CLIP. */
export function worstFrame(scores: readonly ClipScores[]): number | undefined {
  if (scores.length < 2) return undefined;
  const values = scores.map(({ A }) => A ?? Number.NaN);
  const worst = values.indexOf(minimum(values));
  return worst < 0 ? undefined : worst;
}

/** What an iteration says of its frames: the image, and all of them where there are several, with their rate. */
export const shownFrames = (
  frames: readonly Image[],
  { fps }: Pick<SamplingSettings, 'fps'>,
): Pick<Iteration, 'image' | 'frames' | 'fps'> =>
  frames.length === 1 ? { image: frames[0] } : { image: middleFrame(frames), frames, fps };
