/**
 * @file `npm run evaluate:experiment`: which method is best for what it costs. Settings of every method are chosen on tuning prompts
 * by successive halving, then all methods are compared on reported prompts, at equal cost. The budget of an image is counted in
 * floating-point operations of all networks, gradients included; its unit is a plain generation of ten DDIM steps. The same command
 * goes on where it was stopped.
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { countOperations, loadPipeline, methods, UserError } from 'sgool';
import { meteredWork } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { suiteFile } from '../paths.ts';
import type { WorkOf } from './experiment/budget.ts';
import { fullPlan, knownContenders, smallerPlan } from './experiment/plan.ts';
import { figuresOf, resultText } from './experiment/result.ts';
import { forecast, offers, runExperiment } from './experiment/run-experiment.ts';
import { stagesIn } from './experiment/stage.ts';
import { namesFrom, runProgram } from './program.ts';

const HELP = `Usage: nice npm run evaluate:experiment -- [options]

  --out <folder>       all evaluations; finished images in it are not made again (sgool-output/experiment)
  --methods <labels>   separated by commas (all that there are)
  --budgets <numbers>  separated by commas (4,16,64)
  --share <number>     share of the prompts, from 0 to 1, for trying it out (1)
  --result <file>      the figures (<out>/experiment.json)
  --dry-run            say what it would make and how long that takes, and make nothing
`;

/** Plain generations that are timed for the forecast, after one that compiles. */
const TIMED = 3;

await runProgram('evaluate:experiment', async (signal) => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'sgool-output/experiment' },
      methods: { type: 'string' },
      budgets: { type: 'string' },
      share: { type: 'string', default: '1' },
      result: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const say = (line: string) => void process.stderr.write(`evaluate:experiment: ${line}\n`);
  const { known, missing } = knownContenders();
  if (missing.length > 0) say(`methods that this version does not have: ${missing.join(', ')}`);
  const labels = known.map(({ label }) => label);
  const wanted = values.methods === undefined ? labels : namesFrom('--methods', values.methods, labels);
  const full = fullPlan(known.filter(({ label }) => wanted.includes(label)));
  const plan = smallerPlan(withBudgets(full, values.budgets), shareOf(values.share));
  const folder = path.resolve(values.out);

  const offered = await offers(plan, workOf);
  for (const { contender, byBudget } of offered) {
    const counts = plan.budgets.map((budget, i) => `${byBudget[i].length} at budget ${budget}`);
    say(`${contender.label}: of ${contender.candidates.length} candidates ${counts.join(', ')}`);
  }
  const { images, work } = forecast(plan, offered);
  const seconds = await plainSeconds(plan.reference.settings, signal);
  say(
    `at most ${images} images, as much work as ${Math.round(work)} plain generations of ${seconds.toFixed(2)} s: about ${hours(work * seconds)}, without scoring`,
  );
  if (values['dry-run']) return;

  const begun = performance.now();
  let done = 0;
  let underWay = 0;
  const results = await runExperiment(plan, offered, {
    prompts: { toybox: await idsOf('toybox'), tuning: await idsOf('toybox-tuning') },
    runStage: stagesIn(folder),
    signal,
    say,
    onStage(name, count, cost) {
      underWay = cost;
      say(`${name}: ${count} images`);
    },
    onStageDone(name) {
      done += underWay;
      const rate = (performance.now() - begun) / 1000 / done;
      say(`${name}: done; at most ${hours(rate * Math.max(0, work - done))} left at the speed so far`);
    },
  });
  const figures = results.map((result) => figuresOf(result, plan));
  const file = path.resolve(values.result ?? path.join(folder, 'experiment.json'));
  await writeFileAtomic(file, `${JSON.stringify({ plan, budgets: figures }, undefined, 1)}\n`);
  process.stdout.write(resultText(figures));
  say(`the figures are in ${file}`);
});

/** By a dry run on Toybox. */
async function workOf(...[method, settings]: Parameters<WorkOf>): Promise<number> {
  const request = { prompt: 'a red cat and a blue boat', seed: 0, ...settings };
  const { iterations = 0 } = settings;
  return meteredWork(
    await countOperations({
      open: (programs) => loadPipeline('toybox', { programs }),
      method: methods[method],
      request,
      iterations: Number(iterations),
    }),
  );
}

/** Seconds of a plain generation on this machine, as busy as it is. */
async function plainSeconds(
  settings: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<number> {
  const pipeline = await loadPipeline('toybox');
  try {
    let begun = 0;
    for (let i = 0; i <= TIMED; i++) {
      if (i === 1) begun = performance.now();
      const request = { ...settings, prompt: 'a red cat and a blue boat', seed: i };
      for await (const _ of methods.sd.run(pipeline, request, { signal }));
    }
    return (performance.now() - begun) / 1000 / TIMED;
  } finally {
    await pipeline.dispose();
  }
}

async function idsOf(suite: 'toybox' | 'toybox-tuning'): Promise<string[]> {
  const lines = (await readFile(suiteFile(suite), 'utf8')).trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { id: string }).id);
}

function withBudgets<P extends ReturnType<typeof fullPlan>>(plan: P, text: string | undefined): P {
  if (text === undefined) return plan;
  const chosen = namesFrom('--budgets', text, plan.budgets.map(String)).map((name) =>
    plan.budgets.indexOf(Number(name)),
  );
  const at = <T>(list: readonly T[]) => chosen.map((i) => list[i]);
  return { ...plan, budgets: at(plan.budgets), rungs: at(plan.rungs), prompts: at(plan.prompts) };
}

function shareOf(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share > 0 && share <= 1) return share;
  throw new UserError(`--share: not usable, got ${text || 'nothing'}; give a number above 0, up to 1`, {
    exitCode: 2,
  });
}

function hours(seconds: number): string {
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}
