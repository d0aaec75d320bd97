/**
 * @file `npm run evaluate:cost`: what images are worth against the UNet evaluations that they take, for many ways of optimising.
 * The table goes to stdout, progress to stderr, figures and chart into a folder. A finished prompt of a variant is kept at once:
 * the same command goes on where it was stopped.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadPipeline } from 'sgool';
import { loadJudge } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import { heldOutPairPrompts } from '../world/index.ts';
import { costChart } from './cost-chart.ts';
import { costReport, costTable } from './cost-report.ts';
import { hashFiles } from './fingerprint.ts';
import { type Trace, traceOf } from './history.ts';
import { namesFrom, runProgram, wholeNumber } from './program.ts';
import { openResults } from './results.ts';
import { VARIANTS } from './variants.ts';

/** One list of prompts, not that of the other evaluations: the first are for choosing, those from the hundredth on for confirming. */
const PROMPT_SEED = 3;
const SETS = { choose: 0, confirm: 100 } as const;
/** Of the first prompt's noise; prompt i of the list takes as many more. */
const NOISE_SEED = 1000;

const HELP = `Usage: npm run evaluate:cost -- [options]

  --set <name>        choose, or confirm: two sets of prompts (choose)
  --count <n>         prompts (12)
  --variants <names>  separated by commas, the first is what the others are measured against (all)
  --budget <n>        evaluations that all but the first may take, a pullback counting as 3 (a tenth of what the first takes)
  --out <folder>      for figures and chart; finished prompts in it are not run again (sgool-output/cost)

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
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const count = wholeNumber('--count', values.count, 1);
  const [set] = namesFrom('--set', values.set, Object.keys(SETS) as (keyof typeof SETS)[]);
  const names = namesFrom('--variants', values.variants, Object.keys(VARIANTS));
  const budget = values.budget === undefined ? undefined : wholeNumber('--budget', values.budget, 1);
  const first = SETS[set!];
  const prompts = heldOutPairPrompts(first + count, PROMPT_SEED).slice(first);
  const folder = path.resolve(values.out);
  const store = await openResults<Trace>(folder);
  const traces = new Map<string, Trace[]>();
  // One thread each: so small a network gains nothing from a second one.
  const [judge, pipeline] = [await loadJudge({ threads: 1 }), await loadPipeline('toybox', { threads: 1 })];
  const model = await hashFiles(WEIGHTS_FOLDER, JUDGE_FILE);
  try {
    for (const name of names) {
      const list: Trace[] = [];
      for (const [i, spec] of prompts.entries()) {
        const seed = NOISE_SEED + first + i;
        const one = { pipeline, judge, model, spec, seed, variant: VARIANTS[name]!, store, signal };
        list.push(await traceOf(one));
        const { seconds } = list.at(-1)!.points.at(-1)!;
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
  const lines = Object.entries(report.variants).map(([name, { curve }]) => ({ name, curve }));
  const title = `Alignment against UNet evaluations: ${count} held-out prompts of two things, Toybox`;
  await writeFileAtomic(path.join(folder, `${set}.json`), `${JSON.stringify(record, undefined, 1)}\n`);
  await writeFileAtomic(path.join(folder, `${set}.svg`), costChart(title, lines, report.budget));
  process.stdout.write(`${title}, seeds ${NOISE_SEED + first} to ${NOISE_SEED + first + count - 1}\n\n`);
  process.stdout.write(`${costTable(report)}\n`);
  process.stderr.write(`figures and chart: ${path.join(folder, set!)}.json, .svg\n`);
});
