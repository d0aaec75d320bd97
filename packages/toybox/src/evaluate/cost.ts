/**
 * @file `npm run evaluate:cost`: scores of images against the UNet evaluations that they cost, for many ways of optimising. The
 * table goes to stdout, progress to stderr, figures and chart into a folder. Each finished prompt of a variant is stored at once,
 * so the same command resumes a stopped run.
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadPipeline, UserError } from 'sgool';
import { loadJudge } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import { promptSet } from '../world/prompt-sets.ts';
import { type CostRecord, recordChart, recordText } from './cost-record.ts';
import { costReport } from './cost-report.ts';
import { hashFiles } from './fingerprint.ts';
import { type Trace, traceOf } from './history.ts';
import { namesFrom, runProgram, wholeNumber } from './program.ts';
import { openResults } from './results.ts';
import { VARIANTS } from './variants.ts';

/** Where each set begins in the prompt set `cost`: the first prompts are for choosing, those from the hundredth on for confirming. */
const SETS = { choose: 0, confirm: 100 } as const;
/** Prompt i of the prompt set starts from the noise of this seed + i. */
const NOISE_SEED = 1000;

const HELP = `Usage: npm run evaluate:cost -- [options]

  --set <name>        choose, or confirm: two sets of prompts (choose)
  --count <n>         prompts (12)
  --variants <names>  separated by commas; the first is the reference (all)
  --budget <n>        highest cost of all but the first, in UNet evaluations; a pullback counts as 3 (a tenth of the first one's cost)
  --out <folder>      for figures and chart; finished prompts in it are not run again (sgool-output/cost)
  --from <file>       figures of an earlier run: runs nothing, prints their table and writes their chart to --chart
  --chart <file>      file of the chart, with --from

Variants: ${Object.keys(VARIANTS).join(', ')}
`;

await runProgram('evaluate:cost', async (signal) => {
  const { values } = parseArgs({
    options: {
      set: { type: 'string', default: 'choose' },
      count: { type: 'string', default: '12' },
      variants: { type: 'string', default: Object.keys(VARIANTS).join(',') },
      budget: { type: 'string' },
      out: { type: 'string', default: 'sgool-output/cost' },
      from: { type: 'string' },
      chart: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.from !== undefined) {
    await drawAgain(path.resolve(values.from), values.chart);
    return;
  }
  const count = wholeNumber('--count', values.count, 1);
  const [set] = namesFrom('--set', values.set, Object.keys(SETS) as (keyof typeof SETS)[]);
  const names = namesFrom('--variants', values.variants, Object.keys(VARIANTS));
  const budget = values.budget === undefined ? undefined : wholeNumber('--budget', values.budget, 1);
  const first = SETS[set];
  const prompts = promptSet('cost', first + count).slice(first);
  const folder = path.resolve(values.out);
  const store = await openResults<Trace>(folder);
  const traces = new Map<string, Trace[]>();
  // One thread each: a second one gains nothing on such small networks.
  const [judge, pipeline] = [await loadJudge({ threads: 1 }), await loadPipeline('toybox', { threads: 1 })];
  const model = await hashFiles(WEIGHTS_FOLDER, JUDGE_FILE);
  try {
    for (const name of names) {
      const list: Trace[] = [];
      for (const [i, spec] of prompts.entries()) {
        const seed = NOISE_SEED + first + i;
        const one = { pipeline, judge, model, spec, seed, variant: VARIANTS[name], store, signal };
        const trace = await traceOf(one);
        list.push(trace);
        const { seconds } = trace.points[trace.points.length - 1];
        process.stderr.write(`${name}  ${i + 1}/${count}  ${spec.text}  ${seconds.toFixed(1)} s\n`);
      }
      traces.set(name, list);
    }
  } finally {
    await pipeline.dispose();
    await judge.dispose();
  }
  const report = costReport(traces, budget);
  const record = {
    model: { name: 'toybox', sha256: model },
    ...{ set, prompts: prompts.map(({ text }) => text), firstSeed: NOISE_SEED + first },
    ...{ node: process.version, date: new Date().toISOString() },
    requests: Object.fromEntries(names.map((name) => [name, VARIANTS[name]])),
    ...report,
  };
  await writeFileAtomic(path.join(folder, `${set}.json`), `${JSON.stringify(record, undefined, 1)}\n`);
  await writeFileAtomic(path.join(folder, `${set}.svg`), recordChart(record));
  process.stdout.write(recordText(record));
  process.stderr.write(`figures and chart: ${path.join(folder, set)}.json, .svg\n`);
});

async function drawAgain(file: string, chart: string | undefined): Promise<void> {
  if (chart === undefined)
    throw new UserError('--from: needs --chart <file>, the file of the chart', { exitCode: 2 });
  const record = JSON.parse(await readFile(file, 'utf8')) as CostRecord;
  await writeFileAtomic(path.resolve(chart), recordChart(record));
  process.stdout.write(recordText(record));
}
