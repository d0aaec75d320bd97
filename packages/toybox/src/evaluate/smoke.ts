/**
 * @file `npm run evaluate:smoke`: compares methods on held-out prompts of two things, from the same noise.
 * The table goes to stdout, progress to stderr, figures and images into a folder.
 */

import path from 'node:path';
import { parseArgs } from 'node:util';
import { encodePng, loadPipeline, METHOD_NAMES, type MethodName, readImage } from 'sgool';
import { loadJudge } from 'sgool/evaluate';
import { writeFileAtomic } from 'sgool/node';
import { JUDGE_FILE, WEIGHTS_FOLDER } from '../paths.ts';
import { promptSet } from '../world/prompt-sets.ts';
import { type ComparisonRun, runComparison } from './comparison.ts';
import { hashFiles } from './fingerprint.ts';
import { namesFrom, runProgram, wholeNumber } from './program.ts';
import { reportOf, reportText } from './report.ts';
import type { Result } from './results.ts';
import { contactSheet } from './sheet.ts';

const HELP = `Usage: npm run evaluate:smoke -- [options]

  --count <n>         prompts (40)
  --methods <names>   separated by commas; the first is the baseline (sd,sgool)
  --seed <n>          of the first prompt's noise; prompt i takes seed + i (1)
  --iterations <n>    of methods that iterate (their default)
  --out <folder>      for figures and images; finished prompts in it are not run again (sgool-output/smoke)
`;

await runProgram('evaluate:smoke', async (signal) => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '40' },
      methods: { type: 'string', default: 'sd,sgool' },
      seed: { type: 'string', default: '1' },
      iterations: { type: 'string' },
      out: { type: 'string', default: 'sgool-output/smoke' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const count = wholeNumber('--count', values.count, 1);
  const seed = wholeNumber('--seed', values.seed, 0);
  const iterations =
    values.iterations === undefined ? undefined : wholeNumber('--iterations', values.iterations, 0);
  const methods = namesFrom('--methods', values.methods, METHOD_NAMES);
  const folder = path.resolve(values.out);

  const judge = await loadJudge();
  const pipeline = await loadPipeline('toybox');
  try {
    const model = await hashFiles(WEIGHTS_FOLDER, JUDGE_FILE);
    const prompts = promptSet('pairs', count);
    const progress = smokeProgress(count);
    const run = await runComparison({
      ...{ pipeline, judge, model, prompts, methods, seed, iterations, folder, signal },
      onStep: progress.step,
      onPrompt: progress.prompt,
    });
    await keep(run, { folder, model, count, seed });
  } finally {
    await pipeline.dispose();
    await judge.dispose();
  }
});

async function keep(
  { results, settings }: ComparisonRun,
  { folder, model, count, seed }: { folder: string; model: string; count: number; seed: number },
): Promise<void> {
  const report = reportOf(results);
  const record = {
    model: { name: 'toybox', sha256: model },
    ...{ count, seed, node: process.version, date: new Date().toISOString() },
    settings: Object.fromEntries(settings),
    ...report,
  };
  await writeFileAtomic(path.join(folder, 'report.json'), `${JSON.stringify(record, undefined, 2)}\n`);
  const lists = [...results.values()];
  const rows = lists[0].map((_, i) => lists.map((list) => list[i]));
  const entries = await Promise.all(rows.map((row) => Promise.all(row.map((r) => withImage(folder, r)))));
  await writeFileAtomic(path.join(folder, 'sheet.png'), encodePng(contactSheet(entries)));
  process.stdout.write(
    `${count} held-out prompts of two things, Toybox, seeds ${seed} to ${seed + count - 1}\n\n`,
  );
  process.stdout.write(`${reportText(report)}\n`);
  process.stderr.write(
    `figures: ${path.join(folder, 'report.json')}\nimages: ${path.join(folder, 'sheet.png')}\n`,
  );
}

async function withImage(folder: string, result: Result) {
  return { result, image: await readImage(path.join(folder, result.image)) };
}

/** A line per prompt on stderr; on a terminal also the progress of the current one. */
function smokeProgress(count: number) {
  const { stderr } = process;
  let [ran, seconds] = [0, 0];
  const clear = stderr.isTTY ? '\r\x1b[K' : '';
  return {
    step(
      method: MethodName,
      at: { iteration: number; iterations: number; phase: string; step: number; steps: number },
    ) {
      if (!stderr.isTTY) return;
      stderr.write(
        `${clear}${method} iteration ${at.iteration}/${at.iterations} ${at.phase} ${at.step}/${at.steps}`,
      );
    },
    prompt(index: number, results: readonly Result[], fresh: number) {
      const scores = results.map(({ method, judge, clip }) => {
        return `${method} ${judge.score.toFixed(2)}${judge.correct ? ' right' : ''} B ${clip.B?.toFixed(1) ?? '-'}`;
      });
      if (fresh > 0) {
        ran++;
        seconds += results.slice(-fresh).reduce((sum, r) => sum + r.seconds, 0);
      }
      const left = ran > 0 ? `  ${Math.ceil((seconds / ran / 60) * (count - index - 1))} min left` : '';
      stderr.write(`${clear}${index + 1}/${count}  ${results[0].prompt}: ${scores.join(', ')}${left}\n`);
    },
  };
}
