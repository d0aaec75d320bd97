/** @file Everything around one run of a method: request, folder, model, Ctrl-C, and what is said at the end. */
import { basename, extname, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { readImage } from '../../image/read-image.ts';
import type { Method } from '../../methods/run/method.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { resolveSeed } from '../../random/seed.ts';
import { generationRequest, parseRefineRequest, type RefineSource } from '../../request/refine-request.ts';
import { type ParsedRequest, parseRequest } from '../../request/request.ts';
import { resolveSettings, saliencyNote } from '../../request/settings.ts';
import type { Compute } from '../../runtime/compute.ts';
import { INTERRUPTED } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import type { ImageCommand } from '../options/image-options.ts';
import { type DeviceName, shownPath } from '../options/model-options.ts';
import { loadOptionsOf, PART_KEYS, partsOf } from '../options/model-parts.ts';
import { tooLong } from '../options/prompt.ts';
import { formatSeconds } from '../terminal/format.ts';
import { watchInterrupts } from '../terminal/interrupt.ts';
import { createProgress, type Progress } from '../terminal/progress.ts';
import { packageVersion } from '../version.ts';
import { forecast } from './forecast.ts';
import { claimFolder, defaultFolder } from './output-folder.ts';
import { Recorder } from './recorder.ts';
import { type RunEnd, runMethod } from './run-method.ts';
import { type RefineTask, type RunTask, repeatCommand, resultOf, versions } from './run-record.ts';

/** What is settled before the model is loaded. */
interface Plan {
  readonly command: ImageCommand;
  readonly request: ParsedRequest;
  /** Where it begins with an image. */
  readonly given?: GivenImage;
  readonly started: Date;
  /** Absolute path of the folder that was claimed for the run. */
  readonly dir: string;
}

interface GivenImage {
  /** Absolute path. */
  readonly path: string;
  readonly source: RefineSource;
}

/**
 * Makes an image from a seed, and its folder.
 *
 * @throws UserError in one line; what was reached until then is in the folder
 */
export async function generateImage(command: ImageCommand, host: Host): Promise<void> {
  const { maskFile } = command.values;
  const mask = maskFile === undefined ? {} : { mask: await readImage(maskFile), saliency: 'mask' };
  await makeImage(command, parseRequest({ ...mask, ...asked(command) }), undefined, host);
}

/**
 * Makes an image from another one, and its folder.
 *
 * @param command.image absolute path of the given
 * @throws UserError as {@link generateImage} does
 */
export async function refineImage(
  command: ImageCommand & { readonly image: string },
  host: Host,
): Promise<void> {
  const { maskFile } = command.values;
  const image = await readImage(command.image);
  // What is drawn on a transparent layer is drawn; around it is nothing.
  const mask = maskFile === undefined ? {} : { mask: await readImage(maskFile, { background: '#000000' }) };
  const source = parseRefineRequest({ ...asked(command), ...mask, image });
  const given = { path: command.image, source };
  await makeImage(command, parseRequest(generationRequest(source)), given, host);
}

async function makeImage(
  command: ImageCommand,
  request: ParsedRequest,
  given: GivenImage | undefined,
  host: Host,
): Promise<void> {
  const started = host.now();
  const { out } = command.values;
  const first = given && (given.source.sourcePrompt === undefined ? 'the image itself' : 'first change');
  const progress = createProgress(host.stderr, { quiet: command.quiet, first });
  for (const warning of command.warnings) progress.warn(warning);

  const subject = given ? `${basename(given.path, extname(given.path))} ${request.prompt}` : request.prompt;
  const wanted = resolve(host.cwd, out ?? defaultFolder(started, subject, request.seed));
  const folder = await claimFolder(wanted);
  const { dir } = folder;
  if (dir !== wanted)
    progress.note(
      `${shownPath(wanted, host)} holds an earlier run; this one goes to ${shownPath(dir, host)}`,
    );

  const interrupt = watchInterrupts(host, () =>
    progress.note('stopping, the best so far is kept; Ctrl-C again stops at once'),
  );
  let end: RunEnd | undefined;
  try {
    end = await runOn({ command, request, given, started, dir }, progress, interrupt.signal, host);
  } finally {
    progress.end();
    interrupt.dispose();
    // Nothing was made: no empty folder stays behind.
    if (end?.recorder.best === undefined) await folder.release();
  }
  conclude(end, command, progress, host);
}

/** The part of a request that options say. */
function asked({ prompt, values }: ImageCommand) {
  const { out, device, precision, saveIterations, metadata, maskFile, ...settings } = values;
  for (const key of PART_KEYS) delete settings[key];
  return { ...settings, prompt, seed: resolveSeed(settings.seed) };
}

/** Loads the model and runs the method. */
async function runOn(plan: Plan, progress: Progress, signal: AbortSignal, host: Host): Promise<RunEnd> {
  const { command, request, given, dir } = plan;
  progress.status(`loading ${request.model}`);
  const engine = await host.loadEngine();
  const { device = 'cpu', precision = 'float32' } = command.values;
  const options = { ...loadOptionsOf(command.values), device, precision };
  const pipeline = await engine.openPipeline(request.model, options);
  try {
    const refining = given && engine.refinement(given.source);
    const method = refining ?? engine.methods[request.method];
    const planned = await taskOf(plan, method, pipeline);
    const input = refining?.prepare(planned.settings).image;
    const { model, compute } = pipeline;
    const computing = computeNote(compute, device);
    if (computing !== undefined) progress.note(computing);
    const estimate = await forecast(
      { engine, method, request, options: { ...options, ...compute }, model, settings: planned.settings },
      progress,
    );
    const task = { ...planned, estimate };
    for (const line of refining?.notes(task.settings) ?? []) progress.note(line);
    warnOfTruncation(task, pipeline, progress);
    const note = saliencyNote(task.settings, request, pipeline.model);
    if (note !== undefined) progress.note(note);
    const { saveIterations = false, metadata = true } = command.values;
    const repeat = repeatCommand(task, command.options);
    const recorder = new Recorder({ dir, task, repeat, input, metadata, saveIterations });
    return await runMethod({ pipeline, method, request, task, recorder, progress, signal });
  } finally {
    await pipeline.dispose();
  }
}

async function taskOf(plan: Plan, method: Method, pipeline: Pipeline): Promise<RunTask> {
  const { command, request, given, started } = plan;
  const { prompt, negativePrompt, seed, preset } = request;
  const { maskFile } = command.values;
  return {
    prompt,
    negativePrompt,
    method: request.method,
    model: request.model,
    seed,
    preset,
    ...pipeline.compute,
    ...(maskFile === undefined ? {} : { maskFile }),
    ...(given === undefined ? {} : { refine: refineTask(given) }),
    parts: partsOf(command.values),
    settings: resolveSettings(method.defaults(pipeline.model, preset), request, pipeline.model),
    truncated: pipeline.checkPrompt(prompt).truncated,
    command: command.typed,
    versions: versions(await packageVersion()),
    started,
  };
}

/** What is computed on, where that does not go without saying. */
function computeNote({ device, precision }: Compute, asked: DeviceName): string | undefined {
  if (device === 'cpu' && precision === 'float32' && asked !== 'auto') return undefined;
  const emulated =
    device === 'cpu' && precision === 'float16'
      ? ': emulated, which takes longer than float32 and shows what a graphics card would make'
      : '';
  return `computing on ${device} in ${precision}${emulated}`;
}

function refineTask({ path, source }: GivenImage): RefineTask {
  const { sourcePrompt, strength, fit, invertMask, feather } = source;
  return {
    image: path,
    ...(sourcePrompt === undefined ? {} : { sourcePrompt }),
    strength,
    fit,
    invertMask,
    ...(feather === undefined ? {} : { feather }),
  };
}

function warnOfTruncation({ prompt, model, refine }: RunTask, pipeline: Pipeline, progress: Progress) {
  for (const [name, text] of [
    ['prompt', prompt],
    ['description of the image', refine?.sourcePrompt ?? ''],
  ]) {
    const { tokens, truncated, lost } = pipeline.checkPrompt(text);
    if (!truncated) continue;
    progress.warn(tooLong(name, model, tokens.length, lost));
  }
}

/** Says what came of it: the image's path or the JSON on stdout, the rest on stderr. */
function conclude(end: RunEnd, { json }: ImageCommand, progress: Progress, host: Host): void {
  const { recorder, task, status, failure } = end;
  const { best } = recorder;
  if (best === undefined) {
    if (status === 'stopped')
      throw new UserError('stopped before there was an image', { exitCode: INTERRUPTED });
    throw failure;
  }
  const result = resultOf(task, recorder.state(status, end.error));
  if (json) host.stdout.write(`${JSON.stringify(result)}\n`);
  const kept = `the best so far (iteration ${best.iteration}) is in ${shownPath(recorder.paths.folder, host)}`;
  if (status === 'stopped') throw new UserError(`stopped; ${kept}`, { exitCode: INTERRUPTED });
  if (status === 'failed') {
    if (failure instanceof UserError) {
      throw new UserError(`${failure.message}; ${kept}`, { exitCode: failure.exitCode, cause: failure });
    }
    progress.note(kept);
    throw failure;
  }
  progress.note(summary(task, result));
  if (!json) host.stdout.write(`${shownPath(recorder.paths.image!, host)}\n`);
}

function summary(
  { seed }: RunTask,
  { clip, seconds, bestIteration, loss }: ReturnType<typeof resultOf>,
): string {
  const scores = (['A', 'B'] as const).flatMap((name) => {
    const [before, after] = [clip.before[name], clip.after[name]];
    if (before === undefined || after === undefined) return [];
    return [`CLIP ${name} ${before.toFixed(2)} -> ${after.toFixed(2)}`];
  });
  const best = loss.length > 1 ? [`best: iteration ${bestIteration} of ${loss.length - 1}`] : [];
  return [...scores, ...best, `seed ${seed}`, formatSeconds(seconds)].join(', ');
}
