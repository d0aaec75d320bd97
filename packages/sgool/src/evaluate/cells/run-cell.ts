/** @file Making the image or the clip of a cell, and scoring it. */
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { encodeShown } from '../../image/video/encode-shown.ts';
import type { Iteration, RunOptions } from '../../methods/run/iteration.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { detectionDefaults } from '../../request/defaults.ts';
import type { MethodRequest } from '../../request/request.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import { findRegions } from '../../saliency/regions.ts';
import { followRegions } from '../../saliency/track.ts';
import type { ImageScorer, ScoredImage } from '../scores/image-scorer.ts';
import { bytesSha256 } from '../scores/weights-hash.ts';
import type { Cell } from './cell.ts';
import { type DoneCell, RECORD_FORMAT } from './cell-record.ts';
import { type Scenery, scoreImage } from './score-image.ts';

/** What cells are run on. */
export interface CellRunner {
  readonly pipeline: Pipeline;
  readonly methods: Readonly<Record<string, Method>>;
  readonly scorers: readonly ImageScorer[];
  /** In one line: host, processor, device, precision. */
  readonly machine: string;
  now(): Date;
}

/** A cell of a prompt whose truth may be known. */
export interface CellTask {
  readonly id: string;
  readonly cell: Cell;
  readonly readings?: ScoredImage['prompt']['readings'];
}

/** The record of a cell and its image. */
export interface MadeCell {
  readonly record: DoneCell;
  /** PNG; of a clip an animated one. */
  readonly png: Uint8Array;
}

/**
 * Makes the image or the clip of a cell and scores it. Scores of each iterate are those that the method computes anyway, and the judge's.
 *
 * @throws UserError where the method, the model or a scorer fails; the signal's reason where it is stopped
 */
export async function runCell(
  runner: CellRunner,
  { id, cell, readings }: CellTask,
  options: RunOptions = {},
): Promise<MadeCell> {
  const { pipeline, methods, machine } = runner;
  const { meter } = pipeline;
  const method = methods[cell.method];
  if (method === undefined) throw new UserError(`cell ${id.slice(0, 12)}: there is no method ${cell.method}`);
  const request: MethodRequest = {
    ...cell.settings,
    prompt: cell.prompt,
    negativePrompt: cell.negativePrompt,
    model: cell.model.name,
    seed: cell.seed,
  };
  const prompt = { text: cell.prompt, ...(readings === undefined ? {} : { readings }) };
  // Each cell pays for its own texts, whatever was run before it.
  meter.forgetResults();
  const before = { flops: meter.flops, compileSeconds: meter.compileSeconds };
  let cost = { flops: 0, seconds: 0 };
  let first: Iteration | undefined;
  let best: Iteration | undefined;
  let last: Iteration | undefined;
  const iterates: Iterate[] = [];
  for await (const iteration of method.run(pipeline, request, options)) {
    const compiling = meter.compileSeconds - before.compileSeconds;
    cost = {
      flops: meter.flops - before.flops,
      seconds: Math.max(0, iteration.seconds.total - compiling),
    };
    first ??= iteration;
    if (iteration.best) best = iteration;
    last = iteration;
    const { image, frames } = iteration;
    iterates.push({ image, frames, scores: clipScores(iteration) });
  }
  if (first === undefined || best === undefined || last === undefined) {
    throw new Error(`evaluate: method ${cell.method} yielded no iteration`);
  }
  // After the method, so that its time and its network calls are its own.
  const scenery = await sceneryOf(pipeline, best, cell.prompt);
  const scored = await scoreImage(runner.scorers, { image: best.image, prompt, ...scenery });
  const png = encodeShown(best);
  const { regions, clip } = scenery;
  const record: DoneCell = {
    format: RECORD_FORMAT,
    id,
    cell,
    status: 'done',
    image: { sha256: bytesSha256(png), width: best.image.width, height: best.image.height },
    ...(clip === undefined
      ? {}
      : {
          clip: {
            frames: clip.frames.length,
            fps: best.fps ?? 1,
            regions: clip.regions.map((boxes) => [...boxes]),
            ...(clip.jitter === undefined ? {} : { jitter: clip.jitter }),
          },
        }),
    noise: bytesSha256(new Uint8Array(first.latent.buffer, first.latent.byteOffset, first.latent.byteLength)),
    ...(best.noiseTests === undefined ? {} : { noiseTests: best.noiseTests }),
    iteration: best.iteration,
    iterations: last.iteration,
    cost: { ...last.evaluations, ...cost },
    ...scored,
    ...(iterates.length > 1 ? { curve: await curveOf(iterates, prompt, runner.scorers) } : {}),
    regions: [...regions],
    machine,
    finished: runner.now().toISOString(),
  };
  return { record, png };
}

/** What is kept of an iterate until the run is over. */
interface Iterate {
  readonly image: Image;
  /** Of a clip. */
  readonly frames: readonly Image[] | undefined;
  readonly scores: Readonly<Record<string, number | null>>;
}

/** The scores that a method computes of each iterate anyway. */
function clipScores({ clip: { A, B } }: Iteration): Record<string, number | null> {
  return {
    ...(A === undefined ? {} : { clip_a: Math.max(0, A) }),
    ...(B === undefined ? {} : { clip_b: Math.max(0, B) }),
  };
}

/** Scores of all iterates, for the over-optimisation curve; the judge's, too, where the truth of the prompt is known. */
async function curveOf(
  iterates: readonly Iterate[],
  prompt: ScoredImage['prompt'],
  scorers: readonly ImageScorer[],
): Promise<DoneCell['curve']> {
  const judges = prompt.readings === undefined ? [] : scorers.filter(({ ofIterates }) => ofIterates);
  const curve: DoneCell['curve'] = [];
  for (const [iteration, { image, frames, scores }] of iterates.entries()) {
    const clip = frames && { frames, regions: [] };
    const judged = await scoreImage(judges, { image, prompt, regions: [], clip });
    curve.push({ iteration, scores: { ...scores, ...judged.scores } });
  }
  return curve;
}

/** The salient regions of an image: the method's own, or found by the defaults for this model; of a clip always those. */
async function sceneryOf(
  pipeline: Pipeline,
  { image, frames, regions }: Iteration,
  prompt: string,
): Promise<Scenery> {
  if (regions !== undefined && frames === undefined) return { regions };
  const settings = detectionDefaults(pipeline.model);
  const detector = await pipeline.detector(settings.saliency, { prompt, centreBias: settings.centreBias });
  if (frames === undefined) return { regions: findRegions(await detector.map(image), settings) };
  const maps: SaliencyMap[] = [];
  for (const frame of frames) maps.push(await detector.map(frame));
  const { frames: located, jitter } = followRegions(maps, settings);
  const boxes = located.map((one) => one.regions);
  return { regions: boxes[frames.indexOf(image)] ?? [], clip: { frames, regions: boxes, jitter } };
}
