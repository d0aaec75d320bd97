/** @file Everything around one run of a method: request, folder, model, Ctrl-C, and what is said at the end. */
import { resolve } from 'node:path';
import { UserError } from '../errors.ts';
import type { Method, Pipeline } from '../guidance/index.ts';
import { type ParsedRequest, parseRequest } from '../guidance/request.ts';
import { resolveSettings, saliencyNote } from '../guidance/settings.ts';
import { readImage } from '../image/index.ts';
import { resolveSeed } from '../random/index.ts';
import { INTERRUPTED } from './exit-codes.ts';
import { formatSeconds } from './format.ts';
import type { Host } from './host.ts';
import { watchInterrupts } from './interrupt.ts';
import { shownPath } from './model-options.ts';
import { loadOptionsOf, PART_KEYS, partsOf } from './model-parts.ts';
import type { CliOption, Values } from './options.ts';
import { claimFolder, defaultFolder } from './output-folder.ts';
import { createProgress, type Progress } from './progress.ts';
import { Recorder } from './recorder.ts';
import { type RunEnd, runMethod } from './run-method.ts';
import { type RunTask, repeatCommand, resultOf, versions } from './run-record.ts';
import { packageVersion } from './version.ts';

export interface GenerateCommand {
  readonly prompt: string;
  readonly values: Values;
  /** Those of `generate`. */
  readonly options: readonly CliOption[];
  /** The command as it was typed. */
  readonly typed: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly warnings: readonly string[];
}

/** What is settled before the model is loaded. */
interface Plan {
  readonly command: GenerateCommand;
  readonly request: ParsedRequest;
  readonly device: string;
  readonly started: Date;
  /** Absolute path of the folder that was claimed for the run. */
  readonly dir: string;
}

/**
 * Makes the picture and its folder.
 *
 * @throws UserError in one line; what was reached until then is in the folder
 */
export async function generatePicture(command: GenerateCommand, host: Host): Promise<void> {
  const started = host.now();
  const request = await requestOf(command);
  const { out, device = 'cpu' } = command.values;
  const progress = createProgress(host.stderr, command);
  for (const warning of command.warnings) progress.warn(warning);

  const wanted = resolve(host.cwd, out ?? defaultFolder(started, request.prompt, request.seed));
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
    end = await runOn({ command, request, device, started, dir }, progress, interrupt.signal, host);
  } finally {
    progress.end();
    interrupt.dispose();
    // Nothing was made: no empty folder stays behind.
    if (end?.recorder.best === undefined) await folder.release();
  }
  conclude(end, command, progress, host);
}

async function requestOf({ prompt, values }: GenerateCommand): Promise<ParsedRequest> {
  const { out, device, saveIterations, metadata, maskFile, ...asked } = values;
  for (const key of PART_KEYS) delete asked[key];
  const mask = maskFile === undefined ? {} : { mask: await readImage(maskFile), saliency: 'mask' };
  return parseRequest({ ...mask, ...asked, prompt, seed: resolveSeed(asked.seed) });
}

/** Loads the model and runs the method. */
async function runOn(plan: Plan, progress: Progress, signal: AbortSignal, host: Host): Promise<RunEnd> {
  const { command, request, device, dir } = plan;
  progress.status(`loading ${request.model}`);
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(request.model, { ...loadOptionsOf(command.values), device });
  try {
    const method = engine.methods[request.method];
    const task = await taskOf(plan, method, pipeline);
    warnOfTruncation(task, pipeline, progress);
    const note = saliencyNote(task.settings, request, pipeline.model);
    if (note !== undefined) progress.note(note);
    const { saveIterations = false, metadata = true } = command.values;
    const repeat = repeatCommand(task, command.options);
    const recorder = new Recorder({ dir, task, repeat, metadata, saveIterations });
    return await runMethod({ pipeline, method, request, task, recorder, progress, signal });
  } finally {
    await pipeline.dispose();
  }
}

async function taskOf(plan: Plan, method: Method, pipeline: Pipeline): Promise<RunTask> {
  const { command, request, device, started } = plan;
  const { prompt, negativePrompt, seed, preset } = request;
  const { maskFile } = command.values;
  return {
    prompt,
    negativePrompt,
    method: request.method,
    model: request.model,
    seed,
    preset,
    device,
    ...(maskFile === undefined ? {} : { maskFile }),
    parts: partsOf(plan.command.values),
    settings: resolveSettings(method.defaults(pipeline.model, preset), request, pipeline.model),
    truncated: pipeline.checkPrompt(prompt).truncated,
    command: command.typed,
    versions: versions(await packageVersion()),
    started,
  };
}

function warnOfTruncation({ prompt, model, truncated }: RunTask, pipeline: Pipeline, progress: Progress) {
  if (!truncated) return;
  const { tokens, lost } = pipeline.checkPrompt(prompt);
  progress.warn(
    `the prompt is too long for ${model}: its first ${tokens.length} tokens count, the last ${lost} are left out`,
  );
}

/** Says what came of it: the picture's path or the JSON on stdout, the rest on stderr. */
function conclude(end: RunEnd, { json }: GenerateCommand, progress: Progress, host: Host): void {
  const { recorder, task, status, failure } = end;
  const { best } = recorder;
  if (best === undefined) {
    if (status === 'stopped')
      throw new UserError('stopped before there was a picture', { exitCode: INTERRUPTED });
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
