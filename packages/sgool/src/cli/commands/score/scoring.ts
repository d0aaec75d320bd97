/** @file Scoring: every image and every frame of a clip with every prompt, one scorer after the other. */
import { resolve } from 'node:path';
import { UserError } from '../../../errors.ts';
import type { Image } from '../../../image/image.ts';
import type { ObjectiveItem } from '../../../request/objective-text.ts';
import { MODEL_CLIP, type WantedScorer } from '../../../request/wanted-scorer.ts';
import { fitNotes } from '../../../text/fit-notes.ts';
import type { PromptSyntax } from '../../../text/prompt/prompt.ts';
import type { Host } from '../../host.ts';
import { inputVideo } from '../../inputs.ts';
import { loadOptionsOf, type SharedValues, scorerTokenizer } from '../../options/model-options.ts';
import { criticsText } from '../../options/prompt.ts';
import { clipNotes, clipsOf } from '../../run/prompt-warnings.ts';

/** A scorer by its name in reports. */
export type Wanted = Pick<ObjectiveItem, 'scorer' | 'name'>;

/** The CLIPs of the model: without a name of its own, because they are two. */
export const MODEL_CLIPS: Wanted = { scorer: { kind: 'clip' }, name: MODEL_CLIP };

export const areModelClips = ({ name }: Wanted) => name === MODEL_CLIP;

/** What is scored. */
export interface Work {
  /** Absolute paths. */
  readonly images: readonly string[];
  readonly prompts: readonly string[];
  readonly promptSyntax: PromptSyntax;
  readonly wanted: readonly Wanted[];
  readonly values: SharedValues;
}

export interface Scored {
  readonly path: string;
  /** As written. */
  readonly prompt: string;
  /** Without weights and tags, as scorers read it. */
  readonly text: string;
  /** By column: a value for each frame, which an image has one of. */
  readonly byFrame: Record<string, number[]>;
  truncated: boolean;
}

/** Every image with every prompt. One scorer after the other, so that one network at a time is in memory. */
export async function scoresOf(
  images: readonly string[],
  { prompts, promptSyntax, wanted, values }: Work,
  host: Host,
): Promise<Scored[]> {
  const texts = prompts.map((prompt) => ({
    prompt,
    text: criticsText('scored', prompt, promptSyntax, host),
  }));
  const pairs = images.flatMap((path) =>
    texts.map((each): Scored => ({ path, ...each, byFrame: {}, truncated: false })),
  );
  for (const one of wanted) {
    await (areModelClips(one) ? addClipScores(pairs, values, host) : addScores(one, pairs, values, host));
  }
  return pairs;
}

/** Names what is read in messages. */
export const IMAGES = 'the image';

/** Reads the frames of images and clips, and keeps the last ones for the next prompt. */
function frameReader(host: Host): (path: string) => Promise<readonly Image[]> {
  let last: { path: string; frames: readonly Image[] } | undefined;
  return async (path) => {
    if (last?.path !== path) last = { path, frames: (await inputVideo(IMAGES, path, host)).frames };
    return last.frames;
  };
}

/** Adds the score of one frame, where there is one. */
function addFrame({ byFrame }: Scored, column: string, value: number | undefined): void {
  if (value === undefined) return;
  byFrame[column] = [...(byFrame[column] ?? []), value];
}

async function addClipScores(pairs: readonly Scored[], values: SharedValues, host: Host): Promise<void> {
  const { model } = values;
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, loadOptionsOf(values));
  for (const line of pipeline.model.notes ?? []) host.stderr.write(`sgool: ${line}\n`);
  const warned = new Set<string>();
  const read = frameReader(host);
  try {
    const critics = await clipsOf(pipeline);
    for (const scored of pairs) {
      const { path, text } = scored;
      for (const line of warned.has(text) ? [] : clipNotes('prompt', text, critics)) warn(line, host);
      warned.add(text);
      scored.truncated ||= critics.some(({ critic }) => critic.fit(text).truncated);
      for (const frame of await read(path)) {
        const { A, B } = await pipeline.score(frame, text);
        if (A === undefined && B === undefined)
          throw new UserError(`model: ${model} has no CLIP to score with; choose another one`);
        addFrame(scored, MODEL_CLIP, A);
        addFrame(scored, 'clip_b', B);
      }
    }
  } finally {
    await pipeline.dispose();
  }
}

async function addScores(
  wanted: Wanted,
  pairs: readonly Scored[],
  values: SharedValues,
  host: Host,
): Promise<void> {
  const { name } = wanted;
  const { scorer, dispose } = await openOne(wanted, values, host);
  const { clipTarget } = await import('../../../preference/clip-target.ts');
  const warned = new Set<string>();
  const read = frameReader(host);
  try {
    for (const scored of pairs) {
      const { path, text } = scored;
      const fit = scorer.fit?.(text);
      const lines = fit === undefined || warned.has(text) ? [] : fitNotes('prompt', name, fit);
      for (const line of lines) warn(line, host);
      warned.add(text);
      scored.truncated ||= fit?.truncated ?? false;
      for (const frame of await read(path))
        addFrame(scored, name, await scorer.score(frame, clipTarget(text)));
    }
  } finally {
    await dispose();
  }
}

/** Opens a scorer by itself; only a CLIP needs the model. @throws UserError where that cannot be */
async function openOne({ scorer, name }: Wanted, values: SharedValues, host: Host) {
  const engine = await host.loadEngine();
  if (scorer.kind === 'clip') {
    const pipeline = await engine.openPipeline(values.model, loadOptionsOf(values));
    const [opened] = await pipeline.scorers([{ scorer: located(scorer, host), name, weight: 1 }]);
    return { scorer: opened, dispose: () => pipeline.dispose() };
  }
  const { device, precision, deviceOptions } = loadOptionsOf(values);
  const { openObjectiveScorer } = await import('../../../preference/open-objective-scorer.ts');
  const { ProgramCache } = await import('../../../runtime/program-cache.ts');
  const compute = await engine.chooseCompute({ device, precision, deviceOptions });
  const programs = new ProgramCache({ ...compute, deviceOptions });
  const parts = { programs, ...scorerTokenizer(values), env: host.env, allowVerifiers: true };
  const opened = await openObjectiveScorer({ scorer: located(scorer, host), name }, parts);
  return { scorer: opened, dispose: () => programs.dispose() };
}

/** Files are given from the working folder on. */
function located(scorer: WantedScorer, { cwd }: Host): WantedScorer {
  if (scorer.kind === 'onnx') return { ...scorer, file: resolve(cwd, scorer.file) };
  if (scorer.kind === 'preference' && scorer.weights !== undefined) {
    return { ...scorer, weights: resolve(cwd, scorer.weights) };
  }
  return scorer;
}

function warn(line: string, { stderr }: Host): void {
  stderr.write(`sgool: warning: ${line}\n`);
}
