/** @file One run of a method: request, folder, model and Ctrl-C. */
import { join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { DETAILING_METHOD, parseDetailRequest } from '../../methods/detail/detail-request.ts';
import type { ImageMethod } from '../../methods/edit/image-method.ts';
import {
  changesAtOnce,
  methodRequest,
  parseRefineRequest,
  REFINING_METHOD,
  type RefineSource,
  refineShape,
} from '../../methods/edit/refine-request.ts';
import { type MethodName, parseRequest } from '../../methods/index.ts';
import { settingsOf } from '../../methods/run/create-method.ts';
import { shownFrames } from '../../methods/run/frames.ts';
import type { Method } from '../../methods/run/method.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { otherPrompts, withPromptFiles } from '../../pipeline/prompt-files.ts';
import { readSeed, resolveSeed } from '../../random/seed.ts';
import { presetNote } from '../../request/defaults.ts';
import { negativePromptNote } from '../../request/effect.ts';
import type { ParsedRequest } from '../../request/request.ts';
import { saliencyNote } from '../../request/resolve.ts';
import { DEFAULT_MODEL, DEFAULT_MOTION } from '../../weights/open/locate-model.ts';
import type { Engine } from '../engine.ts';
import type { Host } from '../host.ts';
import { inputHash, inputImage, inputStem, inputVideo } from '../inputs.ts';
import { loadOptionsOf, partsOf, withoutParts } from '../options/model-options.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { parseTargetFile, readTargetImages } from '../options/target-images.ts';
import { shownPath } from '../terminal/format.ts';
import { watchInterrupts } from '../terminal/interrupt.ts';
import { createProgress, type Progress } from '../terminal/progress.ts';
import { packageVersion } from '../version.ts';
import { type ClipFormat, clipFormat, ofPicture, windowsNote, withMotion } from './clips.ts';
import { conclude, type MadeImage } from './conclude.ts';
import { hashNotes, hashWeights } from './file-hashes.ts';
import { forecast } from './forecast.ts';
import { checkFolderName, claimFolder, defaultFolder, FILES, type OutputFolder } from './output-folder.ts';
import { promptWarnings } from './prompt-warnings.ts';
import { detectionOf } from './record-saliency.ts';
import { Recorder } from './recorder.ts';
import { identityOf, refuseOtherRun } from './run-identity.ts';
import { type RunEnd, runMethod } from './run-method.ts';
import {
  type CommandKind,
  type RefineTask,
  type ResumeRecord,
  type RunTask,
  repeatCommand,
  resumeRecord,
  startOfRun,
  versions,
} from './run-record.ts';
import type { RestoredState } from './saved-state.ts';

/** What is known before the model is loaded. */
interface Plan {
  readonly command: ImageCommand;
  readonly request: ParsedRequest<MethodName>;
  readonly given?: GivenImage;
  /** How the clip is written, if it is one. */
  readonly format?: ClipFormat | undefined;
  readonly started: Date;
  /** Absolute path of the folder that was claimed for the run. */
  readonly dir: string;
  readonly resume: ResumeRecord;
  readonly begun?: BegunRun;
  /** Receives the recorder as soon as there is one. */
  readonly live: { recorder?: Recorder };
}

/** The image that a command begins with. */
interface GivenImage {
  /** Absolute path. */
  readonly path: string;
  readonly kind: Exclude<CommandKind, 'generate' | 'video'>;
  /** What the image of iteration 0 is called. */
  readonly first: string;
  /** What the record says of it. */
  readonly task: Pick<RunTask, 'size' | 'refine'>;
  method(engine: Engine): ImageMethod;
}

/** The command that a plan is of. */
const kindOf = ({ given, format }: Pick<Plan, 'given' | 'format'>): CommandKind =>
  given?.kind ?? (format ? 'video' : 'generate');

/**
 * Makes an image from a seed, and its folder.
 *
 * @param begun the run to go on with
 * @throws UserError in one line; the best image until then is in the folder
 */
export async function generateImage(command: ImageCommand, host: Host, begun?: BegunRun): Promise<MadeImage> {
  return makeImage(command, await requestOf(command, host), undefined, host, begun);
}

/**
 * Makes a clip from a seed, and its folder.
 *
 * @throws UserError as {@link generateImage} does
 */
export async function generateVideo(command: ImageCommand, host: Host, begun?: BegunRun): Promise<MadeImage> {
  const format = await clipFormat(command.values);
  const moving = withMotion(command);
  return makeImage(moving, await requestOf(moving, host), undefined, host, begun, format);
}

async function requestOf(command: ImageCommand, host: Host): Promise<ParsedRequest<MethodName>> {
  const mask = await maskOf(command, host);
  const targets = await targetsOf(command, host);
  return parseRequest({ ...mask, ...targets, ...requestValues(command) });
}

/**
 * Makes an image or a clip from another one, and its folder.
 *
 * @param command.image absolute path of it
 * @throws UserError as {@link generateImage} does
 */
export async function refineImage(
  command: ImageCommand & { readonly image: string },
  host: Host,
  begun?: BegunRun,
): Promise<MadeImage> {
  const { maskFile } = command.values;
  const image = await inputVideo('the image', command.image, host);
  // In a mask that is painted on a transparent layer, what is not painted is black.
  const mask =
    maskFile === undefined
      ? {}
      : { mask: await inputImage('--mask', maskFile, host, { background: '#000000' }) };
  const targets = await targetsOf(command, host);
  const source = parseRefineRequest({ ...requestValues(command), ...mask, ...targets, image });
  const isClip = source.taken.frames.length > 1;
  const own = isClip ? withMotion(command) : ofPicture(command);
  const given: GivenImage = {
    path: command.image,
    kind: 'refine',
    first: changesAtOnce(source) ? 'first change' : 'the image itself',
    task: { refine: refineTask(source) },
    method: (engine) => engine.refinement(source),
  };
  const request = parseRequest({ ...methodRequest(source), method: REFINING_METHOD });
  const format = isClip ? await clipFormat(own.values) : undefined;
  return makeImage(own, request, given, host, begun, format);
}

/**
 * Repaints regions of an image, and makes the folder.
 *
 * @param command.image absolute path of that image
 * @throws UserError as {@link generateImage} does
 */
export async function detailImage(
  command: ImageCommand & { readonly image: string },
  host: Host,
  begun?: BegunRun,
): Promise<MadeImage> {
  const image = await inputImage('the image', command.image, host);
  const wanted = { ...requestValues(command), ...(await maskOf(command, host)) };
  const { image: _, ...checked } = parseDetailRequest({ ...wanted, image });
  const given: GivenImage = {
    path: command.image,
    kind: 'detail',
    first: 'the image itself',
    task: { size: { width: image.width, height: image.height } },
    method: (engine) => engine.detailMethod(image),
  };
  return makeImage(command, parseRequest({ ...checked, method: DETAILING_METHOD }), given, host, begun);
}

/** The mask of a command as the saliency map of its request. */
async function maskOf({ values: { maskFile } }: ImageCommand, host: Host) {
  return maskFile === undefined
    ? {}
    : { mask: await inputImage('--mask', maskFile, host), saliency: 'mask' as const };
}

/** A run that goes on. */
export interface BegunRun {
  /** The folder of the run, claimed for this process. */
  readonly folder: OutputFolder;
  readonly started: Date;
  /** The command as it was typed then. */
  readonly typed: string;
  /** Where relative paths of models start from. */
  readonly cwd: string;
  /** Undefined where the run has to begin with its first image. */
  readonly state?: RestoredState;
}

async function makeImage(
  command: ImageCommand,
  request: ParsedRequest<MethodName>,
  given: GivenImage | undefined,
  host: Host,
  begun: BegunRun | undefined,
  format?: ClipFormat,
): Promise<MadeImage> {
  const started = begun?.started ?? host.now();
  const { out } = command.values;
  if (out !== undefined) checkFolderName(out);
  const progress = createProgress(host.stderr, { quiet: command.quiet, first: given?.first });
  for (const warning of command.warnings) progress.warn(warning);
  for (const note of command.notes) progress.note(note);

  const subject = given ? `${inputStem(given.path)} ${request.prompt}` : request.prompt;
  const wanted = resolve(host.cwd, out ?? defaultFolder(started, subject, request.seed));
  const resume = resumeRecord(command.values, request.seed, begun?.cwd ?? host.cwd);
  const folder = begun?.folder ?? (await claimFolder(wanted, { name: FILES.run, content: await markOf() }));
  const { dir } = folder;
  if (begun === undefined && dir !== wanted)
    progress.note(
      `${shownPath(wanted, host)} holds an earlier run; this one goes to ${shownPath(dir, host)}`,
    );

  async function markOf(): Promise<string> {
    const version = await packageVersion();
    return startOfRun(command, request, {
      kind: kindOf({ given, format }),
      image: given?.path,
      started,
      resume,
      version,
    });
  }

  const live: { recorder?: Recorder } = {};
  const kept = () =>
    `the best image so far (iteration ${live.recorder?.best?.iteration}) is in ${shownPath(dir, host)}`;
  const interrupt = watchInterrupts(host, {
    onFirst: (signal) => {
      const again = signal === 'SIGINT' ? '; Ctrl-C again stops at once' : '';
      progress.note(`stopping, the best image so far is kept${again}`);
    },
    onForced() {
      progress.end();
      if (live.recorder?.best === undefined) folder.release();
      else live.recorder.finishNow();
      const rest = live.recorder?.best === undefined ? ' before there was an image' : `; ${kept()}`;
      host.stderr.write(`sgool: stopped${rest}\n`);
    },
  });
  const unguard = host.guard(join(dir, FILES.run));
  let end: RunEnd | undefined;
  try {
    end = await runOn(
      { command, request, given, format, started, dir, resume, begun, live },
      progress,
      interrupt.signal,
      host,
    );
  } finally {
    progress.end();
    interrupt.dispose();
    // Nothing was made: remove the empty folder.
    if (end?.recorder.best === undefined) folder.release();
    unguard();
  }
  return conclude(end, command, progress, interrupt.exitCode, host);
}

/** The values of a command that are part of its request. */
function requestValues({ prompt, values }: ImageCommand) {
  const own = withoutParts(values);
  const {
    out,
    count,
    prompts,
    explain,
    device,
    precision,
    saveIterations,
    keepState,
    metadata,
    format,
    maskFile,
    targetImage,
    ...request
  } = own;
  return { ...request, prompt, seed: resolveSeed(readSeed(request.seed)) };
}

/** The target images of a command, as a part of its request. */
async function targetsOf({ values: { targetImage } }: ImageCommand, host: Host) {
  return targetImage === undefined ? {} : { targetImages: await readTargetImages(targetImage, host) };
}

/** The request with as many frames as the model was trained with, where it names none. @throws UserError for one frame, which is no clip */
function asClip<R extends ParsedRequest>(request: R, { motion, name }: ModelInfo): R {
  if (motion === undefined) {
    throw new UserError(
      `model ${name} makes pictures and no clips; give it a motion adapter with --motion: ${DEFAULT_MOTION} for ${DEFAULT_MODEL}, one of AnimateDiff for Stable Diffusion 1.x`,
    );
  }
  const { frames = motion.frames } = request;
  if (frames > 1) return { ...request, frames };
  throw new UserError(`--frames: a clip has 2 frames or more, got ${frames}; for a picture: sgool generate`);
}

/** Loads the model and runs the method. */
async function runOn(plan: Plan, progress: Progress, signal: AbortSignal, host: Host): Promise<RunEnd> {
  const { command, given, format, dir, resume, begun, live } = plan;
  progress.status(`loading ${plan.request.model}`);
  const engine = await host.loadEngine();
  const naming = { ...plan.request, sourcePrompt: given?.task.refine?.sourcePrompt };
  const options = await withPromptFiles(
    { ...loadOptionsOf(command.values), allowVerifiers: command.allowVerifiers ?? true },
    naming,
  );
  const pipeline = await engine.openPipeline(plan.request.model, options);
  const over = new AbortController();
  // The hashes are needed with the first image. Whoever waits for them gets the error.
  const { adapter, loras = [], embeddings = [] } = options;
  const hashes = hashWeights(
    {
      weightsPath: pipeline.model.weightsPath,
      ...(adapter === undefined ? {} : { adapter }),
      motionPath: pipeline.model.motionPath,
      loras,
      given: loadOptionsOf(command.values).loras?.length ?? 0,
      embeddings,
      texts: [plan.request.prompt, ...otherPrompts(naming)],
    },
    { signal: AbortSignal.any([signal, over.signal]), env: host.env },
  );
  hashes.then(
    (found) => {
      for (const line of hashNotes(command.recordedHashes ?? {}, found)) progress.warn(line);
    },
    () => undefined,
  );
  try {
    const request = kindOf(plan) === 'video' ? asClip(plan.request, pipeline.model) : plan.request;
    const onImage = given?.method(engine);
    const detailed = command.values.detail ? engine.detailedMethods[request.method] : undefined;
    const method: Method = onImage ?? detailed ?? engine.methods[request.method];
    const planned = await taskOf({ ...plan, request }, method, pipeline, host);
    const input = onImage?.prepare(planned.settings).images;
    const { model, compute } = pipeline;
    if (onImage?.paints(model)) progress.firstIs('painted image');
    const computing = computeNote(pipeline, options.device);
    if (computing !== undefined) progress.note(computing);
    const identity = hashes.then((found) => identityOf({ ...planned, ...found }, model, resume));
    identity.catch(() => undefined);
    if (begun?.state) refuseOtherRun(begun.state.identity, await identity, shownPath(dir, host));
    const estimate =
      begun?.state?.estimate ??
      (await forecast(
        { engine, method, request, options: { ...options, ...compute }, model, settings: planned.settings },
        progress,
      ));
    const task = { ...planned, estimate };
    for (const line of onImage?.notes(task.settings, model) ?? paintingNotes(model)) progress.note(line);
    const texts = {
      ...task,
      sourcePrompt: task.refine?.sourcePrompt,
      hasLoras: task.parts.loraDir !== undefined,
    };
    for (const line of await promptWarnings(texts, pipeline)) progress.warn(line);
    for (const note of [
      presetNote(task.preset, method, model),
      saliencyNote(detectionOf(task, pipeline), request, model),
      negativePromptNote({ settings: task.settings, model }, request),
      windowsNote(model.motion, task.settings.frames),
    ])
      if (note !== undefined) progress.note(note);
    const { sampler } = task.settings;
    for (const line of [...(model.notes ?? []), ...(model.samplerNotes?.(sampler) ?? [])])
      progress.note(line);
    const { saveIterations = false, keepState = false, metadata = true } = command.values;
    const repeat = repeatCommand(task, command.options);
    const recorder = new Recorder({
      dir,
      task,
      hashes,
      repeat,
      input: input && shownFrames(input, planned.settings),
      metadata,
      saveIterations,
      clipFormat: format,
      keepState,
      identity,
      resume,
    });
    if (begun?.state) {
      await recorder.restore(begun.state);
      progress.note(`going on after iteration ${begun.state.method.iteration - 1}`);
    }
    live.recorder = recorder;
    const state = begun?.state?.method;
    return await runMethod({ pipeline, method, request, task, recorder, progress, signal, state });
  } finally {
    over.abort();
    await pipeline.dispose();
  }
}

async function taskOf(plan: Plan, method: Method, pipeline: Pipeline, host: Host): Promise<RunTask> {
  const { command, request, given: image, started } = plan;
  const { prompt, negativePrompt, seed, preset, allowEmpty } = request;
  const { maskFile, targetImage } = command.values;
  const isImageRead = image !== undefined || maskFile !== undefined || targetImage !== undefined;
  const settings = settingsOf(method, pipeline, request);
  return {
    prompt,
    negativePrompt,
    method: request.method,
    model: request.model,
    seed,
    preset,
    ...pipeline.compute,
    ...(allowEmpty ? { allowEmpty } : {}),
    ...(isImageRead ? { inputHashes: await inputHashes(image?.path, command.values, host) } : {}),
    ...(maskFile === undefined ? {} : { maskFile }),
    ...(targetImage === undefined ? {} : { targetImage }),
    kind: kindOf(plan),
    ...(plan.format ? { format: plan.format.format } : {}),
    ...(image === undefined ? {} : { image: image.path, ...image.task }),
    ...(command.values.detail ? { detail: true } : {}),
    parts: partsOf(command.values),
    settings,
    truncated: pipeline.checkPrompt(prompt, settings).truncated,
    command: plan.begun?.typed ?? command.typed,
    versions: versions(await packageVersion()),
    started,
  };
}

async function inputHashes(
  image: string | undefined,
  { maskFile, targetImage }: ImageCommand['values'],
  host: Host,
) {
  const paths = targetImage?.map((text) => parseTargetFile(text, '--target-image').path);
  const hashes = paths?.map((path) => inputHash('--target-image', path, host));
  return {
    ...(image === undefined ? {} : { image: await inputHash('the image', image, host) }),
    ...(maskFile === undefined ? {} : { maskFile: await inputHash('--mask', maskFile, host) }),
    ...(hashes === undefined ? {} : { targetImage: await Promise.all(hashes) }),
  };
}

/** What a model for inpainting does without an image. */
function paintingNotes({ paintsMask }: ModelInfo): string[] {
  return paintsMask
    ? [
        'the model is for inpainting: without an image it paints all of it; sgool refine --mask paints a part of one',
      ]
    : [];
}

/** A line about the device and the precision, unless they are the defaults. */
function computeNote({ compute }: Pipeline, wanted: string | undefined): string | undefined {
  const { device, precision } = compute;
  if (device === 'cpu' && precision === 'float32' && wanted !== 'auto') return undefined;
  const emulated =
    device === 'cpu' && precision === 'float16'
      ? ': emulated, slower than float32; the image is the one that a graphics card would make'
      : '';
  return `computing on ${device} in ${precision}${emulated}`;
}

/** All that is said of the image, for the record. */
function refineTask(source: RefineSource): RefineTask {
  const keys = Object.keys(refineShape) as (keyof RefineTask)[];
  const given = keys.map((key) => [key, source[key]]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as RefineTask;
}
