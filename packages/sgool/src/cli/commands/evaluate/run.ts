/** @file `sgool evaluate --suite toybox`: makes and scores every image that is still missing. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import { type EvaluatedMethod, MANIFEST_FORMAT, type Manifest } from '../../../evaluate/cells/manifest.ts';
import { type PlannedCell, planCells } from '../../../evaluate/cells/plan.ts';
import { readEvaluation, readRecord } from '../../../evaluate/cells/run-folder.ts';
import { scoreNames } from '../../../evaluate/cells/score-image.ts';
import { judgeOfSuites } from '../../../evaluate/judge/judge-of.ts';
import { noiseDifferences } from '../../../evaluate/report/fairness.ts';
import { promptResults } from '../../../evaluate/report/results.ts';
import { type WrittenReport, writeReport } from '../../../evaluate/report/write-report.ts';
import { runEvaluation, syncStore } from '../../../evaluate/run-evaluation.ts';
import type { ImageScorer } from '../../../evaluate/scores/image-scorer.ts';
import {
  openScorers,
  scorerText,
  type WantedScorer,
  wantedScorers,
} from '../../../evaluate/scores/open-scorers.ts';
import { readShard, type Shard } from '../../../evaluate/setup/choose-prompts.ts';
import { claimEvaluation } from '../../../evaluate/setup/claim-evaluation.ts';
import { withEqualSearch } from '../../../evaluate/setup/equal-search.ts';
import { fairnessNotes } from '../../../evaluate/setup/fairness.ts';
import { variant, type WantedMethod } from '../../../evaluate/setup/variants.ts';
import { type CellCounts, CellStore } from '../../../evaluate/store/cell-store.ts';
import { METHOD_NAMES, type MethodName } from '../../../methods/index.ts';
import type { Method } from '../../../methods/run/method.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { SCORER_NAMES } from '../../../request/scorer-names.ts';
import { meteredWork } from '../../../runtime/program-cache.ts';
import { DEFAULT_MODEL, DEFAULT_MOTION } from '../../../weights/open/locate-model.ts';
import type { Engine } from '../../engine.ts';
import type { Host } from '../../host.ts';
import {
  loadOptionsOf,
  locatedParts,
  type ModelValues,
  type SharedValues,
  scorerTokenizer,
  sharedOptions,
  sharedValues,
} from '../../options/model-options.ts';
import { versions } from '../../run/run-record.ts';
import { quoteArgument, shownPath } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { packageVersion } from '../../version.ts';
import { type Asked, askedFor, DEFAULT_METHODS, type RunFlags, resolved, typedCommand } from './asked.ts';
import { addQueueOptions, runOnQueue } from './on-queue.ts';
import { CellPace, type CellProgress, cellProgress } from './progress.ts';
import { sayReport } from './report.ts';
import { machineLine, weightsHash } from './this-machine.ts';
import { unreadPrompts } from './unread-prompts.ts';

/** Here it names a method with settings of its own. */
const WITHOUT = ['variant'] as const;

/** What is said of the model; the variant of its files by the environment alone. */
const valuesOf = ({ variant: _, ...flags }: RunFlags, host: Host) => sharedValues(flags, host);

const NOTES = `
Every prompt is run with every method and every seed; prompt and seed decide the
starting noise, whatever the method. Each image is scored at once and stored
with its scores and its cost. A run that was stopped goes on with the same
command, and several processes may run the same command in one folder. Images
that are there already are not made again.

What guides a method, what selects among its images and what judges them are
three things: the report names them, and never calls a score a result that the
method followed.

Best-of is always in the table: unless it is given iterations of its own, it has
as many candidates as the dearest method costs, by a dry run. The report takes
its first candidates for every cheaper method.

  --methods sd,doodl,sgool          methods with their default settings
  --variant "fast: sgool steps=8"   one more column: label, method, settings
  --budget 640calls                 equal cost: every method that has iterations
                                    makes as many as fit

Scorers: CLIP always; the judge where the suite's truth is known (toybox, toybox-flow); with
--scorer also ${SCORER_NAMES.join(', ')},
aesthetic=<file> (LAION's head on a CLIP ViT-L/14), and onnx:<file>: any scorer
that was exported to ONNX, with a file.json beside it that says what it reads.
With --motion every prompt becomes a clip, and clips are scored frame by frame (the
mean, and the lowest frame) and as a whole: how alike neighbouring frames are, how
much they move, whether things move as the prompt says. The suite moves, whose
prompts say that, is run with ${DEFAULT_MOTION} where no model is named.

A scorer may be added later: the same command with one more --scorer scores the
images that are there.

Parts of the model are given as in sgool generate; the variant of its files, as
--variant is taken, by SGOOL_VARIANT=fp16. On a queue they go with the cells, and
the options of sgool worker have priority over them.

Examples:
  sgool evaluate --suite toybox --methods sd,clip-guided,doodl,sgool,best-of --limit 40
  sgool evaluate --suite csp,drawbench --methods sd,sgool --model ./sd-1.4 --seeds 2
  sgool evaluate --suite prompts.csv --methods sd --variant "long: sgool iterations=50"
  sgool evaluate --suite moves --methods sd,free-init,sgool --limit 24
  sgool evaluate --suite toybox --scorer hps-v2.1,onnx:scorers/mine.onnx
  sgool evaluate status sgool-output/evaluate-toybox
  sgool evaluate --suite toybox --shard 1/2 --out part-1
  sgool evaluate --suite toybox --queue redis://queue.local --out /shared/toybox
      (many machines: see sgool worker --help)`;

export function configureRun(command: Command, host: Host): void {
  for (const option of sharedOptions(WITHOUT)) command.addOption(option);
  addQueueOptions(command)
    .usage('[options] | status | report | retry | rebuild | merge')
    .option('--suite <names>', 'suites, separated by commas: see sgool suites list; or files of prompts')
    .option(
      '--methods <names>',
      `methods, separated by commas: ${METHOD_NAMES.join(', ')} (default: ${DEFAULT_METHODS}; none with --variant)`,
    )
    .option(
      '--variant <text>',
      '"label: method key=value ...": one more method, with settings of its own',
      (text: string, before: readonly WantedMethod[] = []) => [...before, variant(text)],
    )
    .option(
      '--budget <text>',
      'what each method may spend on an image, for methods with iterations: 640calls, 2e12flops or 30s (default: no limit)',
    )
    .option('--reference <label>', 'the method that the others are compared with (default: the first)')
    .option('--seeds <n>', 'seeds of each prompt (default: 1)')
    .option('--seed <n>', 'the first seed (default: 0)')
    .option(
      '--scorer <names>',
      `scorers beside CLIP, separated by commas, each with =<file> if its weights are not found: ${SCORER_NAMES.join(', ')}, aesthetic=<file>, onnx:<file>`,
      (text: string, before: readonly WantedScorer[] = []) => [...before, ...wantedScorers(text)],
    )
    .option('--limit <n>', 'only the first n prompts of each suite')
    .option('--only <names>', 'only these categories or prompts (by id) of each suite, separated by commas')
    .option('--shard <i/n>', 'only this share of the prompts; see merge', readShard)
    .option('--out <folder>', 'folder of the evaluation (default: sgool-output/evaluate-<suites>)')
    .option(
      '--no-equal-cost',
      'leave best-of as it is: do not add it, nor give it the cost of the dearest method',
    )
    .option('--no-report', 'write no report at the end; see sgool evaluate report')
    .option('--quiet', 'show no progress')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((flags: RunFlags) => evaluate(flags, host));
}

async function evaluate(flags: RunFlags, host: Host): Promise<void> {
  const asked = await askedFor(flags, host);
  const { folder } = asked;
  const pace = new CellPace();
  const progress = cellProgress(host.stderr, pace, flags.quiet === true);
  const interrupt = watchInterrupts(host, {
    onFirst: (signal) => {
      const again = signal === 'SIGINT' ? '; Ctrl-C again stops at once' : '';
      progress.note(`stopping, what is finished is kept${again}`);
    },
    onForced() {
      progress.end();
      host.stderr.write(`sgool: stopped; the same command goes on in ${shownPath(folder, host)}\n`);
    },
  });
  try {
    const counts = await runOn(asked, { flags, host, progress, pace, signal: interrupt.signal });
    progress.end();
    await conclude(folder, counts, flags, interrupt.signal, host);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new UserError(`stopped; the same command goes on in ${shownPath(folder, host)}`, {
      exitCode: interrupt.exitCode,
    });
  } finally {
    progress.end();
    interrupt.dispose();
  }
}

interface Surroundings {
  readonly flags: RunFlags;
  readonly host: Host;
  readonly progress: CellProgress;
  readonly pace: CellPace;
  readonly signal: AbortSignal;
}

/** Opens model and scorers, and runs what waits. */
async function runOn(
  asked: Asked,
  { flags, host, progress, pace, signal }: Surroundings,
): Promise<CellCounts> {
  const { folder, reference, suites, seeds } = asked;
  const judge = judgeOfSuites(suites);
  const values = withMotion(valuesOf(flags, host), flags, suites);
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(values.model, {
    ...loadOptionsOf(values),
    allowVerifiers: true,
    // Its workers have the device; here only the settings are resolved.
    ...(flags.queue === undefined ? {} : { device: 'cpu' as const, precision: 'float32' as const }),
  });
  try {
    const { deviceOptions } = loadOptionsOf(values);
    const scorerOptions = {
      ...pipeline.compute,
      // Those of the device of the workers, where there is a queue.
      ...(flags.queue === undefined && { deviceOptions }),
      ...{ env: host.env, ...scorerTokenizer(values) },
    };
    const { scorers, notes, dispose } = await openScorers(
      located(flags.scorer ?? [], host),
      pipeline,
      judge,
      scorerOptions,
    );
    try {
      const manifest = await claimEvaluation(folder, {
        format: MANIFEST_FORMAT,
        created: host.now().toISOString(),
        command: typedCommand(flags, values),
        model: { name: values.model, hash: await weightsHash(pipeline, loadOptionsOf(values)) },
        ...(flags.queue === undefined ? pipeline.compute : workersCompute(values)),
        methods: await columns(asked, flags, pipeline, engine, (method, settings) =>
          engine.countOperations(values.model, loadOptionsOf(values), {
            method,
            request: { ...settings, prompt: suites[0].prompts[0].text, model: values.model, seed: seeds[0] },
            iterations: Number(settings.iterations ?? 0),
          }),
        ),
        reference,
        suites: [...suites],
        seeds: [...seeds],
        scores: scorers.flatMap(({ infos }) => infos),
        versions: { ...versions(await packageVersion()) },
      });
      for (const note of [...notes, ...clipNotes(suites, pipeline)]) progress.note(note);
      for (const note of fairnessNotes(manifest)) progress.note(note);
      for (const warning of unreadPrompts(manifest, pipeline, scorers)) progress.warn(warning);
      const missing = manifest.scores.filter(({ name }) => !scoreNames(scorers).includes(name));
      if (missing.length > 0) {
        progress.warn(
          `the evaluation also has ${missing.map(({ name }) => name).join(', ')}; what is made now goes without, until --scorer names them`,
        );
      }
      const plan = shareOf(planCells(manifest), manifest, flags.shard);
      if (flags.queue !== undefined) {
        const note = (text: string) => progress.note(text);
        const setup = jobSetup(manifest, flags.scorer ?? [], scorers, values, host);
        return await runOnQueue(
          { folder, manifest, plan, setup, flags, device: manifest.device, signal, note },
          host,
        );
      }
      await begin(folder, plan, scoreNames(scorers), progress, pace);
      return await runEvaluation(
        folder,
        manifest,
        plan,
        {
          pipeline,
          methods: engine.methods,
          scorers,
          machine: machineLine(pipeline),
          now: host.now,
        },
        {
          signal,
          onCell: (ended) => progress.cell(ended),
          onStep: (planned, step) => progress.step(planned, step),
          onUnwritten: ({ suite, prompt, label }, error) =>
            progress.warn(`${suite} ${prompt}, ${label}: ${error.message}; it is tried again`),
        },
      );
    } finally {
      await dispose();
    }
  } finally {
    await pipeline.dispose();
  }
}

/** The methods with their settings, and best-of at the cost of the dearest of them. */
async function columns(
  { wanted, reference }: Asked,
  { equalCost = true }: RunFlags,
  pipeline: Pipeline,
  { methods }: Engine,
  operationsOf: (
    method: Method,
    settings: EvaluatedMethod['settings'],
  ) => Promise<ReadonlyMap<string, number>>,
): Promise<EvaluatedMethod[]> {
  const resolve = (one: WantedMethod) => resolved(one, methods[one.method], pipeline);
  if (!equalCost) return wanted.map(resolve);
  return withEqualSearch(wanted, reference, resolve, async ({ method, settings }) =>
    meteredWork(await operationsOf(methods[method as MethodName], settings)),
  );
}

/** Whether a prompt says how its things move, so that only a clip can show it. */
const hasMoves = (suites: Asked['suites']): boolean =>
  suites.some(({ prompts }) =>
    prompts.some(({ readings = [] }) => readings.flat().some(({ claim }) => claim === 'move')),
  );

/** The values with the adapter that comes with sgool, where prompts are of clips and neither a model nor an adapter is named. */
function withMotion(values: SharedValues, flags: RunFlags, suites: Asked['suites']): SharedValues {
  const isNamed = flags.model !== undefined || values.motion !== undefined;
  return isNamed || values.model !== DEFAULT_MODEL || !hasMoves(suites)
    ? values
    : { ...values, motion: DEFAULT_MOTION };
}

/** What is said where pictures cannot show what prompts ask for. */
function clipNotes(suites: Asked['suites'], { model: { name, motion } }: Pipeline): string[] {
  return motion === undefined && hasMoves(suites)
    ? [`${name} makes pictures, so how things move is not judged; for clips: --motion ${DEFAULT_MOTION}`]
    : [];
}

/** The device and the precision that workers are to have. */
function workersCompute({ device = 'cpu', precision = 'float32' }: ModelValues) {
  return { device, precision };
}

/** What workers need beside the cell. */
function jobSetup(
  { precision }: Manifest,
  wanted: readonly WantedScorer[],
  scorers: readonly ImageScorer[],
  values: ModelValues,
  host: Host,
) {
  return {
    precision: precision === 'float16' ? ('float16' as const) : ('float32' as const),
    parts: { ...locatedParts(values, host) },
    scorers: located(wanted, host).map(scorerText),
    scores: Object.fromEntries(
      scorers.flatMap(({ infos }) => infos.map(({ name, weights = '' }) => [name, weights])),
    ),
  };
}

/** Brings the index up to date, and says what there is to do. */
async function begin(
  folder: string,
  plan: readonly PlannedCell[],
  scores: readonly string[],
  progress: CellProgress,
  pace: CellPace,
): Promise<void> {
  const store = CellStore.open(
    folder,
    plan.map(({ id }) => id),
  );
  try {
    await syncStore(folder, store, scores);
    const { total, done, failed, waiting, running } = store.counts();
    const others = running === 0 ? '' : `, ${running} run by another process`;
    progress.note(`${total} cells: ${done} done, ${failed} failed${others}, ${waiting} to do`);
    if (waiting === 0) return;
    // What the methods took before the run was stopped.
    for (const { label, id } of plan) {
      const record = await readRecord(folder, id);
      if (record?.status === 'done') pace.add(label, record.cost.seconds);
    }
  } finally {
    store.close();
  }
}

/** What was made, the report, and what to do next. @throws UserError where cells failed */
async function conclude(
  folder: string,
  counts: CellCounts,
  flags: RunFlags,
  signal: AbortSignal,
  host: Host,
): Promise<void> {
  const { stdout, stderr } = host;
  const shown = shownPath(folder, host);
  const say = (text: string) => void (flags.quiet !== true && stderr.write(`sgool: ${text}\n`));
  const written = await reportAtEnd(folder, flags, counts, signal, say, host);
  const result = { folder, ...counts, ...(written === undefined ? {} : { report: written.page }) };
  stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${shown}\n`);
  if (counts.running > 0) say(`${counts.running} cells are still run by another process`);
  if (counts.failed > 0) {
    throw new UserError(
      `${counts.failed} of ${counts.total} cells failed: sgool evaluate status ${quoteArgument(shown)} says why`,
    );
  }
}

/** Checks the starting noise and writes the report, where this process ended the evaluation; else says who will. */
async function reportAtEnd(
  folder: string,
  { report = true, shard, detach, quiet = false }: RunFlags,
  { waiting, running }: CellCounts,
  signal: AbortSignal,
  say: (text: string) => void,
  host: Host,
): Promise<WrittenReport | undefined> {
  if (shard !== undefined) {
    // A share has no whole table.
    say(
      'no report of a share: put the shares together with sgool evaluate merge, then sgool evaluate report',
    );
    return undefined;
  }
  if (waiting + running > 0) {
    if (detach !== true) say('no report yet: cells are missing; later, sgool evaluate report writes it');
    return undefined;
  }
  const evaluation = await readEvaluation(folder);
  const { differing } = noiseDifferences(promptResults(evaluation));
  if (differing.length > 0) {
    host.stderr.write(
      `sgool: warning: the methods of ${differing.length} prompts and seeds began with different noise, for instance ${differing[0]}\n`,
    );
  }
  if (!report) return undefined;
  const written = await writeReport(evaluation, { signal });
  if (!quiet) sayReport(written, host);
  return written;
}

/** Files are given from the working folder on. */
function located(wanted: readonly WantedScorer[], { cwd }: Host): WantedScorer[] {
  return wanted.map((one) =>
    one.kind === 'aesthetic' || one.kind === 'onnx' ? { ...one, weights: resolve(cwd, one.weights) } : one,
  );
}

/** The cells of a share of the prompts: whole prompts, so that methods stay comparable. */
function shareOf(
  plan: readonly PlannedCell[],
  { suites }: Manifest,
  shard: Shard | undefined,
): PlannedCell[] {
  if (shard === undefined) return [...plan];
  const order = new Map(
    suites.flatMap(({ name, prompts }) => prompts.map(({ id }) => `${name} ${id}`)).map((key, i) => [key, i]),
  );
  return plan.filter(
    ({ suite, prompt }) => (order.get(`${suite} ${prompt}`) ?? 0) % shard.count === shard.index - 1,
  );
}
