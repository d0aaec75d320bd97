/** @file The records of a run: `run.json`, the texts in the images, the object that `--json` prints. */
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { a1111Sampler } from '../../image/a1111-names.ts';
import type { ImageSize } from '../../image/image.ts';
import { formatParameters, PARAMETERS_KEYWORD, SGOOL_KEYWORD } from '../../image/parameters.ts';
import type { VideoFormat } from '../../image/video/encode-video.ts';
import type { RefineSource } from '../../methods/edit/refine-request.ts';
import type { RunEstimate } from '../../methods/estimate.ts';
import type { FramesReport, Iteration, LossParts } from '../../methods/run/iteration.ts';
import type { ClipScores } from '../../pipeline/pipeline.ts';
import type { NoiseTests } from '../../random/noise-tests.ts';
import { resolveSeed, type Seed, seedForJson } from '../../random/seed.ts';
import type { ParsedRequest } from '../../request/request.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import type { Region } from '../../saliency/regions.ts';
import { loraTag } from '../../weights/open/lora-strength.ts';
import type { Values } from '../options/image-options.ts';
import type { ModelParts } from '../options/model-options.ts';
import type { CliOption } from '../options/option.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { quoteArgument } from '../terminal/format.ts';
import type { NamedEmbedding, WeightHashes } from './file-hashes.ts';
import { thisProcess } from './process-record.ts';

/** The commands that make images. */
export const COMMAND_KINDS = ['generate', 'video', 'refine', 'detail'] as const;
export type CommandKind = (typeof COMMAND_KINDS)[number];
/** What the record of a fine-tuning calls itself. */
export const FINETUNE_KIND = 'finetune';

/** How `refine` uses the image that it begins with. */
export type RefineTask = Omit<RefineSource, 'image' | 'mask'>;

/** SHA-256 of the images that a run was given, by the option that gave them. */
export interface InputHashes {
  readonly image?: string;
  readonly maskFile?: string;
  readonly targetImage?: readonly string[];
}

/** A run with the values of everything that decides its result. */
export interface RunTask extends WeightHashes {
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly method: ParsedRequest['method'];
  readonly model: string;
  readonly seed: Seed;
  readonly preset: ParsedRequest['preset'];
  /** Device and precision of the computation. */
  readonly device: string;
  readonly precision: string;
  readonly maskFile?: string;
  /** Paths, each perhaps with `:weight` behind it. */
  readonly targetImage?: readonly string[];
  /** The command that makes it. */
  readonly kind: CommandKind;
  /** Absolute path of the image that it begins with. */
  readonly image?: string;
  /** Size of the result, where it is not that of the settings. */
  readonly size?: ImageSize;
  /** For `refine`. */
  readonly refine?: RefineTask;
  /** Whether the detail pass follows the method. */
  readonly detail?: boolean;
  /** For `video`: the format that a clip is written in beside the lossless one. */
  readonly format?: VideoFormat;
  readonly allowEmpty?: boolean;
  readonly inputHashes?: InputHashes;
  /** Where parts of the model came from. */
  readonly parts: ModelParts;
  /** Those that the method has. */
  readonly settings: MethodSettings;
  /** The estimate before the run. */
  readonly estimate?: RunEstimate;
  /** Whether the prompt was longer than the text encoder takes. */
  readonly truncated: boolean;
  /** The command as it was typed. */
  readonly command: string;
  readonly versions: Versions;
  readonly started: Date;
}

export interface Versions {
  readonly sgool: string;
  readonly node: string;
  readonly onnxruntime?: string;
  readonly platform: string;
}

export type RunStatus = 'running' | 'done' | 'stopped' | 'failed';

/** What `sgool resume` needs beside the prompt and the image: the command, with the seed that was drawn. */
export interface ResumeRecord {
  /** The folder that relative paths of models start from. */
  readonly cwd: string;
  readonly values: Values;
}

/** A command for `run.json`, before anything was made. */
export function resumeRecord(
  { out, count, prompts, explain, ...values }: Values,
  seed: Seed,
  cwd: string,
): ResumeRecord {
  return { cwd, values: { ...values, seed: seedForJson(seed) } };
}

/** `run.json` from the moment in which a run takes its folder until its first image is there. */
export function startOfRun(
  { prompt, typed }: Pick<ImageCommand, 'prompt' | 'typed'>,
  request: Pick<ParsedRequest, 'method' | 'model' | 'seed'>,
  {
    kind,
    image,
    started,
    resume,
    version,
  }: { kind: CommandKind; image?: string; started: Date; resume: ResumeRecord; version: string },
): string {
  const { method, model, seed } = request;
  const content = {
    status: 'running',
    process: thisProcess(),
    kind,
    method,
    model,
    seed: seedForJson(resolveSeed(seed)),
    ...(image === undefined ? {} : { image }),
    prompt,
    started: started.toISOString(),
    command: typed,
    versions: versions(version),
    resume,
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Numbers of one iteration. */
export interface IterationNumbers {
  readonly iteration: number;
  readonly best: boolean;
  readonly seed?: Seed;
  readonly loss?: LossParts;
  readonly clip: ClipScores;
  readonly scores?: Iteration['scores'];
  readonly regions?: readonly Region[];
  readonly overFrames?: FramesReport;
  readonly noiseTests?: NoiseTests;
  readonly evaluations: Iteration['evaluations'];
  readonly seconds: Iteration['seconds'];
}

export interface RunPaths {
  readonly folder: string;
  readonly run: string;
  image?: string;
  /** Of a clip: the lossless file, and the one in the wanted format. */
  clip?: string;
  video?: string;
  input?: string;
  before?: string;
  saliency?: string;
  /** Of a clip: the sheet of its frames. */
  frames?: string;
  progress?: string;
  iterations?: string;
}

/** The state of a run. */
export interface RunState {
  readonly status: RunStatus;
  readonly error?: string;
  readonly seconds: number;
  readonly iterations: readonly IterationNumbers[];
  readonly paths: RunPaths;
}

export function versions(sgool: string): Versions {
  return {
    sgool,
    node: process.versions.node,
    ...onnxruntimeVersion(),
    platform: `${process.platform}-${process.arch}`,
  };
}

/** ONNX Runtime is a dependency of the engine, so it is resolved from there. */
function onnxruntimeVersion(): { onnxruntime?: string } {
  try {
    const engine = createRequire(createRequire(import.meta.url).resolve('@sgool/autodiff'));
    return { onnxruntime: (engine('onnxruntime-node/package.json') as { version: string }).version };
  } catch {
    return {};
  }
}

export function numbersOf(iteration: Iteration): IterationNumbers {
  const { best, seed, loss, clip, scores, regions, overFrames, noiseTests, evaluations, seconds } = iteration;
  return {
    iteration: iteration.iteration,
    best,
    ...(seed === undefined ? {} : { seed }),
    ...(loss === undefined ? {} : { loss }),
    clip,
    ...(scores === undefined ? {} : { scores }),
    ...(regions === undefined ? {} : { regions }),
    ...(overFrames === undefined ? {} : { overFrames }),
    ...(noiseTests === undefined ? {} : { noiseTests }),
    evaluations,
    seconds,
  };
}

/**
 * A command that makes the same image again. It names every setting, so that it does not depend on the defaults of a version.
 *
 * @param options those of the command, which know how each setting is written
 */
export function repeatCommand(task: RunTask, options: readonly CliOption[]): string {
  const { width, height } = task.settings;
  const values: Readonly<Record<string, unknown>> = {
    ...task.settings,
    ...task.parts,
    ...task.refine,
    method: task.method,
    model: task.model,
    seed: task.seed,
    preset: task.preset,
    device: task.device,
    precision: task.precision,
    ...(task.negativePrompt === '' ? {} : { negativePrompt: task.negativePrompt }),
    ...(task.maskFile === undefined ? {} : { maskFile: task.maskFile }),
    ...(task.targetImage === undefined ? {} : { targetImage: task.targetImage }),
    ...(task.allowEmpty ? { allowEmpty: true } : {}),
    ...(task.detail ? { detail: true } : {}),
    ...(task.format === undefined ? {} : { format: task.format }),
  };
  const words = options.flatMap(({ flag, keys, argument, hidden = false }) => {
    if (hidden) return [];
    if (flag === 'size') return ['--size', `${width}x${height}`];
    const value = values[keys[0]];
    if (value === undefined) return [];
    if (argument === undefined) return [value === true ? `--${flag}` : `--no-${flag}`];
    return [value].flat().flatMap((one) => [`--${flag}`, String(one)]);
  });
  const operands = [...(task.image === undefined ? [] : [task.image]), task.prompt];
  // Behind `--`, because a prompt may begin with a dash.
  return ['sgool', task.kind, ...words, '--', ...operands].map(quoteArgument).join(' ');
}

/** The result, in the form that `--json` prints. */
export function resultOf(task: RunTask, { status, error, seconds, iterations, paths }: RunState) {
  const best = iterations.findLast((numbers) => numbers.best);
  return {
    method: task.method,
    model: task.model,
    device: task.device,
    precision: task.precision,
    seed: seedForJson(task.seed),
    // The image's own, for best-of.
    ...(best?.seed === undefined || best.seed === task.seed ? {} : { bestSeed: seedForJson(best.seed) }),
    ...(task.image === undefined ? {} : { image: task.image }),
    prompt: task.prompt,
    truncated: task.truncated,
    status,
    ...(error === undefined ? {} : { error }),
    clip: { before: iterations[0]?.clip ?? {}, after: best?.clip ?? {} },
    ...(best?.overFrames && {
      overFrames: { before: iterations[0].overFrames, after: best.overFrames },
    }),
    bestIteration: best?.iteration ?? null,
    loss: iterations.map(({ loss }) => loss ?? null),
    evaluations: iterations.at(-1)?.evaluations ?? { forward: 0, pullback: 0 },
    seconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    paths,
  };
}

export type RunResult = ReturnType<typeof resultOf>;

/** The content of `run.json`: everything needed to repeat the run, and every iteration's numbers. */
export function runJson(task: RunTask, state: RunState, repeat: string) {
  return {
    ...resultOf(task, state),
    kind: task.kind,
    started: task.started.toISOString(),
    command: task.command,
    repeat,
    versions: task.versions,
    ...(task.estimate === undefined ? {} : { estimate: task.estimate }),
    request: requestOf(task),
    ...filesOf(task),
    iterations: state.iterations.map(iterationForJson),
  };
}

/** What names the files that decide the result. */
const filesOf = ({ modelHash, adapter, motion, loras = [], embeddings = [], inputHashes }: RunTask) => ({
  ...(modelHash === undefined ? {} : { modelHash }),
  ...(adapter === undefined ? {} : { adapter }),
  ...(motion === undefined ? {} : { motion }),
  ...(loras.length === 0 ? {} : { loras }),
  ...(embeddings.length === 0 ? {} : { embeddings }),
  ...(inputHashes === undefined ? {} : { inputHashes }),
});

const iterationForJson = ({ seed, ...numbers }: IterationNumbers) => ({
  ...numbers,
  ...(seed === undefined ? {} : { seed: seedForJson(seed) }),
});

function requestOf({
  prompt,
  negativePrompt,
  method,
  model,
  seed,
  preset,
  device,
  precision,
  maskFile,
  targetImage,
  allowEmpty,
  image,
  refine,
  detail,
  format,
  parts,
  settings,
}: RunTask) {
  return {
    prompt,
    negativePrompt,
    method,
    model,
    seed: seedForJson(seed),
    preset,
    device,
    precision,
    ...(allowEmpty ? { allowEmpty } : {}),
    ...(maskFile === undefined ? {} : { maskFile }),
    ...(targetImage === undefined ? {} : { targetImage }),
    ...(image === undefined ? {} : { image }),
    ...refine,
    ...(detail ? { detail } : {}),
    ...(format === undefined ? {} : { format }),
    ...parts,
    ...settings,
  };
}

/**
 * Texts for a PNG: `parameters` as AUTOMATIC1111's web UI and similar tools read it, and our own JSON. Nothing in them differs
 * between two equal runs: times, dates and folders are in `run.json` alone.
 *
 * @param iteration the one that the image is of; the plain image is iteration 0
 */
export function imageTexts(task: RunTask, iteration: IterationNumbers): Record<string, string> {
  const { settings, method, adapter, motion, loras = [], embeddings = [] } = task;
  const given = loras.filter(({ isInPrompt }) => !isInPrompt);
  const { lambda, saliency, clipGuidanceScale, clipPrompt, detailStrength } = settings;
  const { width, height } = task.size ?? settings;
  const parameters = formatParameters({
    // Where the web UI looks for the LoRAs of an image.
    prompt: [task.prompt, ...given.map((lora) => loraTag(lora.name, lora))].join(' '),
    negativePrompt: task.negativePrompt,
    settings: {
      Steps: settings.steps,
      Sampler: a1111Sampler(settings.sampler),
      'CFG scale': settings.guidanceScale,
      Seed: String(iteration.seed ?? task.seed),
      Size: `${width}x${height}`,
      ...(settings.clipSkip > 1 ? { 'Clip skip': settings.clipSkip } : {}),
      ...(task.modelHash === undefined ? {} : { 'Model hash': task.modelHash }),
      Model: fileStem(task.model),
      ...(task.parts.vae === undefined ? {} : { VAE: basename(task.parts.vae) }),
      ...(task.refine === undefined ? {} : { 'Denoising strength': task.refine.strength }),
      ...(settings.rng === 'cuda' ? { RNG: 'GPU' } : {}),
      ...(settings.sampler === 'ddim' && settings.eta > 0 ? { 'Eta DDIM': settings.eta } : {}),
      'SGOOL method': task.refine === undefined ? method : 'refine',
      ...(detailStrength === undefined ? {} : { 'SGOOL detail strength': detailStrength }),
      ...(task.refine === undefined ? {} : { 'SGOOL edit': task.refine.edit }),
      'SGOOL iteration': iteration.iteration,
      ...(clipGuidanceScale === undefined ? {} : { 'CLIP guidance scale': clipGuidanceScale }),
      ...(clipPrompt ? { 'CLIP prompt': clipPrompt } : {}),
      ...(task.targetImage === undefined
        ? {}
        : { 'CLIP images': task.targetImage.map((path) => basename(path)).join(', ') }),
      ...(lambda === undefined || saliency === undefined
        ? {}
        : { 'Saliency weight': lambda, Saliency: saliency }),
      ...(adapter === undefined ? {} : { 'SGOOL adapter': hashList([adapter]) }),
      ...(motion === undefined ? {} : { 'SGOOL motion': hashList([motion]) }),
      ...(loras.length === 0 ? {} : { 'Lora hashes': hashList(loras) }),
      ...(embeddings.length === 0 ? {} : { 'TI hashes': hashList(embeddings) }),
      Version: `sgool ${task.versions.sgool}`,
    },
  });
  const { seconds: _, ...numbers } = iterationForJson(iteration);
  const request = withoutFolders(requestOf(task));
  const own = { version: task.versions.sgool, kind: task.kind, request, ...filesOf(task), ...numbers };
  return { [PARAMETERS_KEYWORD]: parameters, [SGOOL_KEYWORD]: JSON.stringify(own) };
}

/** `style: 0123456789ab, hands: ba9876543210` */
const hashList = (named: readonly NamedEmbedding[]) =>
  named.map(({ name, hash }) => `${name}: ${hash}`).join(', ');

/** `v1-5` for `models/v1-5.safetensors`. */
const fileStem = (path: string) => basename(path).replace(/\.(safetensors|ckpt|pth?|bin)$/i, '') || path;

/** The request with the names of its images for their paths; their hashes are beside it. */
function withoutFolders<
  T extends { readonly image?: string; readonly maskFile?: string; readonly targetImage?: readonly string[] },
>(request: T): T {
  const { image, maskFile, targetImage } = request;
  return {
    ...request,
    ...(image === undefined ? {} : { image: basename(image) }),
    ...(maskFile === undefined ? {} : { maskFile: basename(maskFile) }),
    ...(targetImage === undefined ? {} : { targetImage: targetImage.map((path) => basename(path)) }),
  };
}
