/** @file `sgool evaluate --suite toybox`: makes and scores every image that is still missing. */
import { existsSync } from 'node:fs';
import { cpus, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import { MANIFEST_FORMAT, type Manifest } from '../../../evaluate/cells/manifest.ts';
import { MeteredPrograms } from '../../../evaluate/cells/metered-programs.ts';
import { type PlannedCell, planCells } from '../../../evaluate/cells/plan.ts';
import { EVALUATION_FILES, readEvaluation, readManifest } from '../../../evaluate/cells/run-folder.ts';
import { type WrittenReport, writeReport } from '../../../evaluate/report/write-report.ts';
import { runEvaluation, syncStore } from '../../../evaluate/run-evaluation.ts';
import {
  EVALUATION_SCORERS,
  openScorers,
  type WantedScorer,
  wantedScorers,
} from '../../../evaluate/scores/open-scorers.ts';
import { modelSha256 } from '../../../evaluate/scores/weights-hash.ts';
import { choosePrompts, readShard, type Shard } from '../../../evaluate/setup/choose-prompts.ts';
import { checkSameEvaluation, evaluatedMethod, evaluatedSuite } from '../../../evaluate/setup/manifest-of.ts';
import { checkLabels, namedMethods, variant, type WantedMethod } from '../../../evaluate/setup/variants.ts';
import { type CellCounts, CellStore } from '../../../evaluate/store/cell-store.ts';
import { openSuite } from '../../../evaluate/suites/open-suite.ts';
import { METHOD_NAMES, parseRequest } from '../../../methods/index.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { laterSeed, readSeed, SEED_RULE, seedForJson } from '../../../random/seed.ts';
import { PRESETS } from '../../../request/request.ts';
import { SETTINGS, type SettingKey } from '../../../request/settings.ts';
import { writeFileAtomic } from '../../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../../weights/sources/make-folders.ts';
import { USAGE_ERROR } from '../../exit-codes.ts';
import type { Host } from '../../host.ts';
import { loadOptionsOf, sharedOptions, sharedValues } from '../../options/model-options.ts';
import { type OptionValues, schemaOption } from '../../options/option.ts';
import { versions } from '../../run/run-record.ts';
import { formatSeconds, oneLine, quoteArgument, shownPath } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { packageVersion } from '../../version.ts';
import { sayReport } from './report.ts';

const SHARED = ['model', 'device', 'precision', 'clip', 'tokenizer'] as const;

const NOTES = `
Every prompt is run with every method and every seed; prompt and seed decide the
starting noise, whatever the method. Each image is scored at once and stored
with its scores and its cost. A run that was stopped goes on with the same
command, and several processes may run the same command in one folder. Images
that are there already are not made again.

What guides a method, what selects among its images and what judges them are
three things: the report names them, and never calls a score a result that the
method followed.

  --methods sd,doodl,sgool          methods with their default settings
  --variant "fast: sgool steps=8"   one more column: label, method, settings

Scorers: CLIP always; the judge where the suite's truth is known (toybox); with
--scorer also ${EVALUATION_SCORERS.filter((name) => name !== 'clip' && name !== 'judge').join(', ')}.

Examples:
  sgool evaluate --suite toybox --methods sd,clip-guided,doodl,sgool,best-of --limit 40
  sgool evaluate --suite csp,drawbench --methods sd,sgool --model ./sd-1.4 --seeds 2
  sgool evaluate --suite prompts.csv --methods sd --variant "long: sgool iterations=50"
  sgool evaluate status sgool-output/evaluate-toybox
  sgool evaluate --suite toybox --shard 1/2 --out part-1`;

interface RunFlags extends OptionValues {
  readonly suite?: string;
  readonly methods?: string;
  readonly variant?: readonly WantedMethod[];
  readonly reference?: string;
  readonly seeds?: string;
  readonly seed?: string;
  readonly scorer?: readonly WantedScorer[];
  readonly limit?: string;
  readonly only?: string;
  readonly shard?: Shard;
  readonly out?: string;
  readonly report?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function configureRun(command: Command, host: Host): void {
  for (const option of sharedOptions(SHARED)) command.addOption(option);
  command
    .usage('[options] | status | report | retry | rebuild | merge')
    .option('--suite <names>', 'suites, separated by commas: see sgool suites list; or files of prompts')
    .option(
      '--methods <names>',
      `methods, separated by commas: ${METHOD_NAMES.join(', ')} (default: sd,sgool)`,
    )
    .option(
      '--variant <text>',
      '"label: method key=value ...": one more method, with settings of its own',
      (text: string, before: readonly WantedMethod[] = []) => [...before, variant(text)],
    )
    .option('--reference <label>', 'the method that the others are compared with (default: the first)')
    .option('--seeds <n>', 'seeds of each prompt (default: 1)')
    .option('--seed <n>', 'the first seed (default: 0)')
    .option(
      '--scorer <names>',
      `scorers beside CLIP, separated by commas, each with =<file> if its weights are not found: ${EVALUATION_SCORERS.join(', ')}`,
      (text: string, before: readonly WantedScorer[] = []) => [...before, ...wantedScorers(text)],
    )
    .option('--limit <n>', 'only the first n prompts of each suite')
    .option('--only <names>', 'only these categories or prompts (by id) of each suite, separated by commas')
    .option('--shard <i/n>', 'only this share of the prompts; see merge', readShard)
    .option('--out <folder>', 'folder of the evaluation (default: sgool-output/evaluate-<suites>)')
    .option('--no-report', 'write no report at the end; see sgool evaluate report')
    .option('--quiet', 'show no progress')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((flags: RunFlags) => evaluate(flags, host));
}

const wrong = (message: string) => new UserError(message, { exitCode: USAGE_ERROR });

async function evaluate(flags: RunFlags, host: Host): Promise<void> {
  const { suite: suiteNames, methods = 'sd,sgool', variant: variants = [], shard } = flags;
  if (suiteNames === undefined) throw wrong('evaluate: needs --suite; see sgool suites list');
  const wanted = [...namedMethods(methods), ...variants];
  checkLabels(wanted);
  const reference = flags.reference ?? wanted[0].label;
  if (!wanted.some(({ label }) => label === reference)) {
    throw wrong(
      `--reference: is none of the methods, got ${reference}; choose from ${wanted.map(({ label }) => label).join(', ')}`,
    );
  }
  const limit = wholeNumber('--limit', flags.limit);
  const seedCount = wholeNumber('--seeds', flags.seeds) ?? 1;
  const first = readSeed(flags.seed ?? 0);
  if (first === undefined || first === -1)
    throw wrong(`--seed: ${SEED_RULE.replace('-1 (random) or ', '')}, got ${flags.seed}`);
  const only = flags.only === undefined ? [] : flags.only.split(',').map((name) => name.trim());
  const names = [...new Set(suiteNames.split(',').map((name) => name.trim()))];
  const suites = await Promise.all(names.map((name) => openSuite(name, host.cwd, host.env)));
  const chosen = suites.map((suite) => evaluatedSuite(suite, choosePrompts(suite, only, limit)));

  const folder = resolve(
    host.cwd,
    flags.out ?? join('sgool-output', `evaluate-${suites.map(({ name }) => name).join('-')}`),
  );
  const say = (text: string) => void (flags.quiet !== true && host.stderr.write(`sgool: ${text}\n`));
  const interrupt = watchInterrupts(host, {
    onFirst: () => say('stopping; what is finished is kept, the same command goes on'),
    onForced: () => undefined,
  });
  const values = sharedValues(flags, SHARED, host);
  const engine = await host.loadEngine();
  let programs: MeteredPrograms | undefined;
  const pipeline = await engine.openPipeline(values.model, {
    ...loadOptionsOf(values),
    programs: (options) => (programs = new MeteredPrograms(options)),
  });
  const hasTruth = chosen.some(({ prompts }) => prompts.some(({ readings }) => readings !== undefined));
  try {
    const scorers = await openScorers(flags.scorer ?? [], pipeline, hasTruth, pipeline.compute);
    try {
      const manifest: Manifest = {
        format: MANIFEST_FORMAT,
        created: host.now().toISOString(),
        command: typedCommand(flags, values),
        model: { name: values.model, hash: await modelSha256(pipeline.model.dir) },
        device: pipeline.compute.device,
        precision: pipeline.compute.precision,
        methods: wanted.map((one) => resolved(one, engine.methods[one.method], pipeline)),
        reference,
        suites: chosen,
        seeds: Array.from({ length: seedCount }, (_, i) => laterSeed(first, i)),
        scores: scorers.flatMap(({ infos }) => infos),
        versions: { ...versions(await packageVersion()) } as Record<string, string>,
      };
      const kept = await claimEvaluation(folder, manifest);
      const plan = shareOf(planCells(kept), kept, shard);
      const store = CellStore.open(folder);
      let waiting: number;
      try {
        await syncStore(folder, plan, store);
        const { total, done, failed } = store.counts();
        waiting = total - done - failed;
        say(
          `${total} cells: ${wanted.length} methods, ${seedCount} seed${seedCount === 1 ? '' : 's'}, ${plan.length / wanted.length / seedCount} prompts; ${done} done, ${failed} failed, ${waiting} to do`,
        );
      } finally {
        store.close();
      }
      const started = Date.now();
      let made = 0;
      const counts = await runEvaluation(
        folder,
        kept,
        plan,
        {
          pipeline,
          methods: engine.methods,
          scorers,
          programs: programs ?? { flops: 0 },
          machine: `${hostname()}: ${cpus()[0]?.model ?? 'unknown processor'}, ${pipeline.compute.device}, ${pipeline.compute.precision}`,
          now: host.now,
        },
        {
          signal: interrupt.signal,
          onCell({ planned, record, counts: now }) {
            made++;
            const left = ((Date.now() - started) / 1000 / made) * now.waiting;
            const place = `${now.done + now.failed}/${now.total}  ${planned.suite} ${planned.prompt}  ${planned.label}`;
            const outcome =
              record.status === 'failed' ? `failed: ${oneLine(record.error)}` : shownScores(record.scores);
            say(`${place}  ${outcome}  ${formatSeconds(left)} left`);
          },
        },
      );
      const written = await reportAtEnd(folder, flags, counts, interrupt.signal, say, host);
      const result = { folder, ...counts, ...(written === undefined ? {} : { report: written.page }) };
      host.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${shownPath(folder, host)}\n`);
      if (counts.failed > 0) {
        throw new UserError(
          `${counts.failed} of ${counts.total} cells failed: sgool evaluate status ${quoteArgument(shownPath(folder, host))} says why`,
        );
      }
    } finally {
      for (const scorer of scorers) await scorer.dispose();
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new UserError(`stopped; the same command goes on in ${shownPath(folder, host)}`, {
      exitCode: interrupt.exitCode,
    });
  } finally {
    interrupt.dispose();
    await pipeline.dispose();
  }
}

/** Writes the report where this process ended the evaluation, or says who will. */
async function reportAtEnd(
  folder: string,
  { report = true, shard, quiet = false }: RunFlags,
  { waiting, running }: CellCounts,
  signal: AbortSignal,
  say: (text: string) => void,
  host: Host,
): Promise<WrittenReport | undefined> {
  if (!report) return undefined;
  if (shard !== undefined) {
    say(
      'no report of a share: put the shares together with sgool evaluate merge, then sgool evaluate report',
    );
    return undefined;
  }
  if (waiting + running > 0) {
    say('no report yet: another process is at work; later, sgool evaluate report writes it');
    return undefined;
  }
  const written = await writeReport(await readEvaluation(folder), { signal });
  if (!quiet) sayReport(written, host);
  return written;
}

function wholeNumber(who: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text.trim()) && value >= 1 && value <= 1_000_000) return value;
  throw wrong(`${who}: not usable, got ${text || 'nothing'}; give a whole number from 1 up to 1000000`);
}

/** A method with the settings that it will run with. Prompts are read as they are: `(red)` is not a weight. */
function resolved(
  { label, method: name, settings }: WantedMethod,
  method: Parameters<typeof evaluatedMethod>[1],
  pipeline: Pipeline,
) {
  const given: Record<string, unknown> = { promptSyntax: 'plain' };
  for (const [key, text] of Object.entries(settings)) Object.assign(given, settingValue(label, key, text));
  const request = parseRequest({ prompt: 'a prompt', method: name, model: pipeline.model.name, ...given });
  return evaluatedMethod(label, method, pipeline, given, request);
}

function settingValue(label: string, key: string, text: string): OptionValues {
  const who = `--variant ${label}: ${key}`;
  if (key === 'preset') {
    if ((PRESETS as readonly string[]).includes(text)) return { preset: text };
    throw wrong(`${who}: not usable, got ${text}; choose one of ${PRESETS.join(', ')}`);
  }
  if (!Object.hasOwn(SETTINGS, key)) throw wrong(`${who}: there is no such setting; see sgool methods`);
  try {
    return schemaOption(key, SETTINGS[key as SettingKey], '').parse(text, who);
  } catch (error) {
    throw error instanceof UserError ? wrong(error.message) : error;
  }
}

/** Makes the folder of an evaluation, or finds it. @returns its manifest @throws UserError where it holds another one */
async function claimEvaluation(folder: string, manifest: Manifest): Promise<Manifest> {
  const path = join(folder, EVALUATION_FILES.manifest);
  const text = () =>
    `${JSON.stringify({ ...manifest, seeds: manifest.seeds.map(seedForJson) }, undefined, 1)}\n`;
  if (!existsSync(path)) {
    await makeFolders(folder);
    await writeFileAtomic(path, text());
    return readManifest(folder);
  }
  const found = await readManifest(folder);
  checkSameEvaluation(folder, found, manifest);
  return found;
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

const SHOWN = ['judge', 'clip_b', 'clip_a', 'hps-v2.1'] as const;
const shownScores = (scores: Readonly<Record<string, number | null>>) =>
  SHOWN.flatMap((name) =>
    typeof scores[name] === 'number' ? [`${name} ${scores[name].toFixed(3)}`] : [],
  ).join(', ');

/** The command, for the manifest. */
function typedCommand(flags: RunFlags, values: { readonly model: string }): string {
  const texts: [string, string | undefined][] = [
    ['suite', flags.suite],
    ['methods', flags.methods],
    ...(flags.variant ?? []).map(({ label, method, settings }): [string, string] => [
      'variant',
      `${label}: ${[method, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)].join(' ')}`,
    ]),
    ['model', values.model],
    ['seeds', flags.seeds],
    ['seed', flags.seed],
    ['limit', flags.limit],
    ['only', flags.only],
    [
      'scorer',
      flags.scorer
        ?.map(({ name, weights }) => (weights === undefined ? name : `${name}=${weights}`))
        .join(','),
    ],
    ['reference', flags.reference],
    ['out', flags.out],
  ];
  const given = texts.flatMap(([name, text]) =>
    text === undefined ? [] : [`--${name} ${quoteArgument(text)}`],
  );
  return `sgool evaluate ${given.join(' ')}`;
}
