/** @file Making the image of a cell, and scoring it. */
import { createHash } from 'node:crypto';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import type { Iteration, RunOptions } from '../../methods/run/iteration.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { detectionDefaults } from '../../request/defaults.ts';
import type { MethodRequest } from '../../request/request.ts';
import { findRegions, type Region } from '../../saliency/regions.ts';
import type { ImageScorer, ScoredImage } from '../scores/image-scorer.ts';
import type { Cell } from './cell.ts';
import { type DoneCell, RECORD_FORMAT } from './cell-record.ts';
import type { MeteredPrograms } from './metered-programs.ts';

/** What cells are run on. */
export interface CellRunner {
  readonly pipeline: Pipeline;
  readonly methods: Readonly<Record<string, Method>>;
  readonly scorers: readonly ImageScorer[];
  /** Those of the pipeline. */
  readonly programs: Pick<MeteredPrograms, 'flops'>;
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
  /** PNG. */
  readonly png: Uint8Array;
}

/**
 * Makes the image of a cell and scores it. Scores of each iterate are those that the method computes anyway, and the judge's.
 *
 * @throws UserError where the method, the model or a scorer fails; the signal's reason where it is stopped
 */
export async function runCell(
  runner: CellRunner,
  { id, cell, readings }: CellTask,
  options: RunOptions = {},
): Promise<MadeCell> {
  const { pipeline, methods, programs, machine } = runner;
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
  const flopsBefore = programs.flops;
  let flops = 0;
  let first: Iteration | undefined;
  let best: Iteration | undefined;
  let last: Iteration | undefined;
  const curve: { iteration: number; scores: Record<string, number | null> }[] = [];
  const images: Image[] = [];
  for await (const iteration of method.run(pipeline, request, options)) {
    flops = programs.flops - flopsBefore;
    first ??= iteration;
    if (iteration.best) best = iteration;
    last = iteration;
    const { A, B } = iteration.clip;
    const scores = { ...(A === undefined ? {} : { clip_a: A }), ...(B === undefined ? {} : { clip_b: B }) };
    curve.push({ iteration: iteration.iteration, scores });
    images.push(iteration.image);
  }
  if (first === undefined || best === undefined || last === undefined) {
    throw new Error(`evaluate: method ${cell.method} yielded no iteration`);
  }
  // After the method, so that its time and its network calls are its own.
  const regions = await regionsOf(pipeline, best, cell.prompt);
  const scored: ScoredImage = { image: best.image, prompt, regions };
  const png = encodePng(best.image);
  const judges =
    readings === undefined
      ? []
      : runner.scorers.filter(({ infos }) => infos.some(({ name }) => name === 'judge'));
  if (images.length > 1) {
    for (const [i, image] of images.entries()) {
      for (const judge of judges)
        Object.assign(curve[i].scores, await judge.score({ image, prompt, regions: [] }));
    }
  }
  const record: DoneCell = {
    format: RECORD_FORMAT,
    id,
    cell,
    status: 'done',
    image: { sha256: sha256(png), width: best.image.width, height: best.image.height },
    noise: sha256(new Uint8Array(first.latent.buffer, first.latent.byteOffset, first.latent.byteLength)),
    iteration: best.iteration,
    iterations: last.iteration,
    cost: { ...last.evaluations, flops, seconds: last.seconds.total },
    scores: await scoresOf(runner.scorers, scored),
    ...(curve.length > 1 ? { curve } : {}),
    regions: [...regions],
    features: await featuresOf(runner.scorers, best.image),
    truncated: runner.scorers.flatMap((scorer) => scorer.truncates(cell.prompt)),
    machine,
    finished: runner.now().toISOString(),
  };
  return { record, png };
}

/** The values of all scorers. @throws UserError where one is not finite, which no table could show */
export async function scoresOf(
  scorers: readonly ImageScorer[],
  scored: ScoredImage,
): Promise<Record<string, number | null>> {
  const all: Record<string, number | null> = {};
  for (const scorer of scorers) {
    for (const [name, value] of Object.entries(await scorer.score(scored))) {
      if (value !== null && !Number.isFinite(value))
        throw new UserError(`score ${name}: is ${value}, not a number`);
      all[name] = value;
    }
  }
  return all;
}

/** Features as base64 of their float32 numbers. */
async function featuresOf(scorers: readonly ImageScorer[], image: Image): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { features } of scorers) {
    for (const [name, values] of Object.entries((await features?.(image)) ?? {})) {
      all[name] = Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
    }
  }
  return all;
}

/** The salient regions of an image: the method's own, or found by the defaults for this model. */
async function regionsOf(
  pipeline: Pipeline,
  { image, regions }: Iteration,
  prompt: string,
): Promise<readonly Region[]> {
  if (regions !== undefined) return regions;
  const settings = detectionDefaults(pipeline.model);
  const detector = await pipeline.detector(settings.saliency, { prompt });
  return findRegions(await detector.map(image), settings);
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
