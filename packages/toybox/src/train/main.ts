/** @file `npm run train -w @sgool/toybox -- <stage>`: trains one stage, or goes on with it. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { STAGES, type StageName } from '../stages/index.ts';
import { curveSvg } from './curve.ts';
import { createProgress } from './progress.ts';
import { train } from './trainer.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: 'runs' },
    steps: { type: 'string' },
    threads: { type: 'string' },
  },
});

const name = positionals[0] as StageName | undefined;
const recipe = name && STAGES[name];
if (!name || !recipe) {
  process.stderr.write(`train: no stage "${name ?? ''}"; choose one of ${Object.keys(STAGES).join(', ')}\n`);
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const folder = path.resolve(values.folder);
await mkdir(folder, { recursive: true });
const progress = createProgress();
const stage = await recipe.stage();
const result = await train(stage, {
  folder,
  progress,
  signal: stop.signal,
  threads: values.threads ? Number(values.threads) : undefined,
  steps: values.steps ? Number(values.steps) : undefined,
});
progress.stop();
await writeFile(path.join(folder, `${name}.svg`), curveSvg(stage.name, result.history));
await writeFile(
  path.join(folder, `${name}.history.json`),
  `${JSON.stringify(result.history, undefined, 1)}\n`,
);
if (result.finished) {
  await recipe.exportTo(result);
  progress.note(`${name}: finished after ${result.step} steps; weights and curve are in ${folder}`);
} else progress.note(`${name}: stopped at step ${result.step}; the same command goes on`);
