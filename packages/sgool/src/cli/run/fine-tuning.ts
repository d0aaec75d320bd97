/** @file One fine-tuning: model, folder, Ctrl-C, state, pictures on the way, and the report at the end. */
import { join, resolve } from 'node:path';
import { disk } from '#platform';
import { UserError } from '../../errors.ts';
import { filledTemplate } from '../../finetune/concepts.ts';
import type { FineTuneRequest, FineTuning } from '../../finetune/separate-enhance.ts';
import type { RunEstimate } from '../../methods/estimate.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import type { Engine } from '../engine.ts';
import type { Host } from '../host.ts';
import { loadOptionsOf, type SharedValues } from '../options/model-options.ts';
import { type TrainingProgress, trainingProgress } from '../terminal/fine-tuning-progress.ts';
import { formatSeconds, resumeCommand, shownPath } from '../terminal/format.ts';
import { watchInterrupts } from '../terminal/interrupt.ts';
import { packageVersion } from '../version.ts';
import { readTraining, type SavedTraining, TRAINING_FILES, TrainingFolder } from './fine-tuning-folder.ts';
import { defaultSamples, type SamplePrompt, sampleOf, sampleRow } from './fine-tuning-samples.ts';
import { forecastLine } from './forecast.ts';
import { checkFolderName, claimFolder, defaultFolder, FILES, type OutputFolder } from './output-folder.ts';
import { thisProcess } from './process-record.ts';
import { lackingNotes } from './prompt-warnings.ts';
import { enterFolder, type ResumeFlags } from './resume.ts';
import { type RunFile, refuseLiving, takeOver } from './run-file.ts';
import { FINETUNE_KIND, type RunStatus, versions } from './run-record.ts';
import { StateFolder } from './saved-state.ts';

/** A command line, read. */
export interface FineTuneCommand {
  readonly method: string;
  readonly request: FineTuneRequest;
  readonly values: SharedValues;
  /** Pictures are drawn before, after, and every so many steps; 0 for none. */
  readonly sampleEvery: number;
  /** Their prompts, perhaps with the words of their maps. None stands for the default. */
  readonly samplePrompts: readonly { readonly text: string; readonly words?: readonly string[] }[];
  readonly out?: string;
  readonly typed: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** A fine-tuning that is gone on with. */
interface Begun {
  readonly folder: OutputFolder;
  readonly cwd: string;
  readonly started: Date;
  readonly saved?: SavedTraining;
}

/**
 * Fine-tunes a model into a folder.
 *
 * @throws UserError in one line; what was trained until then is in the folder
 */
export async function fineTuneModel(command: FineTuneCommand, host: Host, begun?: Begun): Promise<void> {
  const progress = trainingProgress(host.stderr, command.quiet);
  const { model, ...others } = command.values;
  progress.status(`loading ${model}`);
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, loadOptionsOf(others));
  let where = begun?.folder.dir;
  const interrupt = watchInterrupts(host, {
    onFirst: (signal) => {
      const again = signal === 'SIGINT' ? '; Ctrl-C again stops at once' : '';
      progress.note(`stopping, what is trained is kept${again}`);
    },
    onForced() {
      progress.end();
      const rest = where === undefined ? '' : `; to go on: ${resumeCommand(where, host)}`;
      host.stderr.write(`sgool: stopped${rest}\n`);
    },
  });
  try {
    const fineTuning = await engine.separateEnhance(pipeline, command.request, {
      signal: interrupt.signal,
      ...(begun?.saved && { state: begun.saved.state }),
    });
    for (const line of unknownWords(command, fineTuning, pipeline)) progress.note(`warning: ${line}`);
    const base = await fineTuning.base();
    if (begun?.saved && begun.saved.fingerprint !== base.fingerprint) {
      throw new UserError(
        `${shownPath(begun.folder.dir, host)}: cannot go on: the weights of ${model} are not those that it began with; put them back`,
      );
    }
    const estimate = begun?.saved?.estimate ?? (await estimateOf(command, fineTuning, engine, progress));
    if (command.dryRun) {
      if (command.json) host.stdout.write(`${JSON.stringify({ estimate: estimate ?? null })}\n`);
      return;
    }
    const started = begun?.started ?? host.now();
    const record: RecordParts = {
      command,
      fineTuning,
      pipeline,
      estimate,
      started,
      cwd: begun?.cwd ?? host.cwd,
    };
    const folder = begun?.folder ?? (await claim(record, host));
    where = folder.dir;
    const unguard = host.guard(join(where, FILES.run));
    try {
      const saved = { ...begun?.saved, ...(estimate && { estimate }) };
      const training = new TrainingFolder(where, fineTuning, base, saved);
      const end = await train({ record, training, engine, progress, signal: interrupt.signal });
      progress.end();
      await conclude(end, { record, training, exitCode: interrupt.exitCode }, progress, host);
    } finally {
      if (fineTuning.state().step === 0) folder.release();
      unguard();
    }
  } finally {
    progress.end();
    interrupt.dispose();
    await pipeline.dispose();
  }
}

/** What the model lacks of the texts of a fine-tuning: one line for each of them. */
function unknownWords(
  { samplePrompts }: FineTuneCommand,
  { task }: FineTuning,
  pipeline: Pipeline,
): string[] {
  const { prompt, concepts = [], settings } = task;
  const { templates, singleTemplate, normWeight } = settings;
  const used = [...(prompt === undefined ? templates : []), ...(normWeight === 0 ? [] : [singleTemplate])];
  return [
    ...lackingNotes('prompt', prompt === undefined ? [] : [prompt], pipeline),
    ...lackingNotes(
      'concepts',
      concepts.map(({ phrase }) => phrase),
      pipeline,
    ),
    ...lackingNotes(
      'templates',
      used.map((template) => filledTemplate(template, ['', ''])),
      pipeline,
    ),
    ...lackingNotes(
      'sample prompts',
      samplePrompts.map(({ text }) => text),
      pipeline,
    ),
  ];
}

/** Says time and memory. They are known for processors only. */
async function estimateOf(
  { values: { model, ...others }, request, dryRun }: FineTuneCommand,
  { task }: FineTuning,
  engine: Engine,
  progress: TrainingProgress,
): Promise<RunEstimate | undefined> {
  const isKnown = (others.device ?? 'cpu') === 'cpu' && engine.estimateFineTuning !== undefined;
  if (!isKnown || !engine.estimateFineTuning) {
    if (dryRun) progress.note('time and memory are known for the processor only');
    return undefined;
  }
  progress.status('estimating time and memory');
  const wanted = { request, steps: task.settings.steps };
  const estimate = await engine.estimateFineTuning(model, loadOptionsOf(others), wanted);
  progress.note(forecastLine(estimate));
  return estimate;
}

async function claim(record: RecordParts, host: Host): Promise<OutputFolder> {
  const { command, fineTuning, started } = record;
  const { prompt, concepts = [], settings } = fineTuning.task;
  const subject = `finetune ${prompt ?? `${concepts.length} concepts`}`;
  const out = command.out ?? defaultFolder(started, subject, settings.seed);
  checkFolderName(out);
  const content = textOf(await recordOf(record, 'running'));
  return claimFolder(resolve(host.cwd, out), { name: FILES.run, content });
}

interface RecordParts {
  readonly command: FineTuneCommand;
  readonly fineTuning: FineTuning;
  readonly pipeline: Pipeline;
  readonly estimate: RunEstimate | undefined;
  readonly started: Date;
  /** The folder that relative paths of models start from. */
  readonly cwd: string;
}

/** The content of `run.json`. */
async function recordOf(
  { command, fineTuning, pipeline, estimate, started, cwd }: RecordParts,
  status: RunStatus,
  more: object = {},
): Promise<object> {
  const { method, request, values, sampleEvery, samplePrompts, typed } = command;
  const { task, parameters } = fineTuning;
  const { step, evaluations, seconds } = fineTuning.state();
  return {
    status,
    ...(status === 'running' ? { process: thisProcess() } : {}),
    ...{ kind: FINETUNE_KIND, method, model: values.model, ...pipeline.compute },
    ...(task.prompt === undefined ? {} : { prompt: task.prompt }),
    ...{ step, steps: task.settings.steps, parameters, evaluations, seconds },
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    ...more,
    started: started.toISOString(),
    command: typed,
    versions: versions(await packageVersion()),
    ...(estimate && { estimate }),
    request: task,
    resume: { cwd, values: { request, values, sampleEvery, samplePrompts } },
  };
}

const textOf = (content: object) => `${JSON.stringify(content, null, 2)}\n`;

/** How a fine-tuning ended. */
interface End {
  readonly status: Exclude<RunStatus, 'running'>;
  readonly failure?: unknown;
}

interface TrainParts {
  readonly record: RecordParts;
  readonly training: TrainingFolder;
  readonly engine: Engine;
  readonly progress: TrainingProgress;
  readonly signal: AbortSignal;
}

/** Trains to the end, to Ctrl-C or to a failure. Throws nothing of what goes wrong; what is trained is on the disk by then. */
async function train(parts: TrainParts): Promise<End> {
  const { record, training, signal } = parts;
  const { fineTuning, command } = record;
  try {
    await steps(parts);
    await training.writeResults(command.method);
    return { status: 'done' };
  } catch (failure) {
    const status = signal.aborted && failure === signal.reason ? 'stopped' : 'failed';
    try {
      if (fineTuning.state().step > 0) {
        await training.save();
        await training.writeResults(command.method);
      }
    } catch {
      // On a full disk this fails as well; the state before is kept.
    }
    return { status, failure };
  }
}

async function steps({ record, training, engine, progress, signal }: TrainParts): Promise<void> {
  const { command, fineTuning } = record;
  const { sampleEvery, samplePrompts, method } = command;
  const { task } = fineTuning;
  const samples: readonly SamplePrompt[] =
    samplePrompts.length === 0
      ? defaultSamples(task)
      : samplePrompts.map(({ text, words }) => sampleOf(text, words && [...words]));
  /** How many rows of pictures there are to be after a step. */
  const wanted = (step: number) =>
    sampleEvery === 0
      ? 0
      : 1 + Math.floor(step / sampleEvery) + Number(step === task.settings.steps && step % sampleEvery > 0);
  const draw = async (step: number) => {
    if (training.sampled >= wanted(step)) return;
    progress.status(`drawing pictures after step ${step}`);
    await training.writeResults(method);
    const { model, ...others } = command.values;
    const adapted = step === 0 ? {} : { adapter: training.path('adapter') };
    const pipeline = await engine.openPipeline(model, { ...loadOptionsOf(others), ...adapted });
    try {
      await training.addSamples(
        await sampleRow(samples, `step ${step}`, { engine, pipeline, fineTuning }, signal),
      );
    } finally {
      await pipeline.dispose();
    }
  };
  const path = join(training.dir, FILES.run);
  const save = async () => {
    await training.save();
    await writeFileAtomic(path, textOf(await recordOf(record, 'running')));
  };
  await draw(fineTuning.state().step);
  for await (const step of fineTuning.steps()) {
    training.add(step);
    progress.step(step);
    if (training.sampled < wanted(step.step)) {
      await save();
      await draw(step.step);
      await save();
    } else if (training.isDue()) await save();
  }
}

/** Finishes the record, and reports: the path of the adapter or the JSON on stdout, the rest on stderr. */
async function conclude(
  { status, failure }: End,
  parts: {
    readonly record: RecordParts;
    readonly training: TrainingFolder;
    readonly exitCode: number;
  },
  progress: TrainingProgress,
  host: Host,
): Promise<void> {
  const { record, training, exitCode } = parts;
  const { dir } = training;
  const { json } = record.command;
  const { step, seconds } = record.fineTuning.state();
  if (step === 0) {
    throw status === 'stopped'
      ? new UserError('stopped before the first step was done', { exitCode })
      : failure;
  }
  const adapter = training.path('adapter');
  const isWritten = disk.exists(adapter);
  const error =
    status === 'failed' ? { error: failure instanceof Error ? failure.message : String(failure) } : {};
  const paths = {
    folder: dir,
    ...Object.fromEntries(
      Object.entries(TRAINING_FILES).flatMap(([name, file]) =>
        disk.exists(join(dir, file)) ? [[name, join(dir, file)]] : [],
      ),
    ),
  };
  const hash = isWritten ? { adapterHash: (await fileSha256(adapter)).slice(0, 12) } : {};
  const content = await recordOf(record, status, { ...error, ...hash, paths });
  try {
    await writeFileAtomic(join(dir, FILES.run), textOf(content));
  } catch (refused) {
    if (status === 'done') return conclude({ status: 'failed', failure: refused }, parts, progress, host);
  }
  if (status === 'done') new StateFolder(dir).remove();
  if (json) host.stdout.write(`${JSON.stringify(content)}\n`);
  const goOn = `what is trained is in ${shownPath(dir, host)}; to go on: ${resumeCommand(dir, host)}`;
  if (status === 'stopped') throw new UserError(`stopped after step ${step}; ${goOn}`, { exitCode });
  if (status === 'failed') {
    if (!(failure instanceof UserError)) throw failure;
    throw new UserError(`${failure.message}; ${goOn}`, { exitCode: failure.exitCode, cause: failure });
  }
  progress.note(`${step} steps in ${formatSeconds(seconds)}`);
  if (!json) host.stdout.data(`${shownPath(adapter, host)}\n`);
}

/**
 * Goes on with a fine-tuning after its last saved step.
 *
 * @throws UserError where its process still runs, its state is damaged or that of another version, or the model has changed
 */
export async function resumeFineTuning(found: RunFile, flags: ResumeFlags, host: Host): Promise<void> {
  refuseLiving(found, flags.force);
  await recordedTraining(found, host);
  const { file, folder, giveBack } = await takeOver(found.dir, flags);
  try {
    const { command, cwd, started } = await recordedTraining(file, host);
    const saved = await readTraining(file.dir, (path) => disk.exists(path));
    await enterFolder(cwd, host);
    const { json, quiet } = flags;
    await fineTuneModel({ ...command, json, quiet }, host, { folder, cwd, started, ...(saved && { saved }) });
  } catch (error) {
    // Where it could not go on, nothing of it runs.
    if (error instanceof UserError && disk.exists(join(file.dir, FILES.run))) folder.release();
    throw error;
  } finally {
    giveBack();
  }
}

/** The command of a fine-tuning, from its record. */
async function recordedTraining({ dir, content }: RunFile, host: Host) {
  const shown = shownPath(dir, host);
  const { method, command, started, resume, versions } = content as Readonly<Record<string, unknown>>;
  const { sgool } = (versions ?? {}) as { sgool?: unknown };
  const current = await packageVersion();
  if (sgool !== current) {
    throw new UserError(
      `${shown}: was begun by sgool ${sgool ?? 'of another version'}, this is ${current}, which may not end with the same weights; type its command again`,
    );
  }
  const { cwd, values } = (resume ?? {}) as { cwd?: unknown; values?: Partial<FineTuneCommand> };
  if (typeof cwd !== 'string' || values?.request === undefined || values.values === undefined) {
    throw new UserError(`${shown}: says nothing that it could go on from; type its command again`);
  }
  const { request, values: model, sampleEvery = 0, samplePrompts = [] } = values;
  return {
    command: {
      ...{ method: String(method), request, values: model, sampleEvery, samplePrompts },
      ...{ typed: String(command), dryRun: false, json: false, quiet: false },
    } satisfies FineTuneCommand,
    cwd,
    started: new Date(typeof started === 'string' ? started : 0),
  };
}
