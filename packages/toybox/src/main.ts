/** @file `npm run train -w @sgool/toybox -- <stage>`: trains one stage, or resumes its training. */

import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { writeFileAtomic } from 'sgool/node';
import { TRAINING_FOLDER } from './paths.ts';
import { type Recipe, STAGES, type StageName } from './stages/stages.ts';
import { curveSvg } from './train/curve.ts';
import { createProgress } from './train/progress.ts';
import { train, type WarmStart } from './train/trainer.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: 'runs' },
    /** Instead of the stage's own number: a trial, which is published with `--publish` only. */
    steps: { type: 'string' },
    threads: { type: 'string' },
    /** Without a checkpoint, start from the published weights. */
    warm: { type: 'boolean', default: false },
    /** Write the weights into the model folder, however many steps are left. */
    publish: { type: 'boolean', default: false },
  },
});

const name = positionals[0] as StageName | undefined;
const recipe: Recipe | undefined = name && STAGES[name];
if (!name || !recipe) {
  process.stderr.write(`train: no stage "${name ?? ''}"; choose one of ${Object.keys(STAGES).join(', ')}\n`);
  process.exit(2);
}

const recordOf = (stage: string) => path.join(TRAINING_FOLDER, `${stage}.json`);

async function warmStart(stage: string, { stored }: Recipe): Promise<WarmStart> {
  const record = JSON.parse(await readFile(recordOf(stage), 'utf8'));
  return { ...record, weights: await stored() };
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
  warmStart: values.warm ? await warmStart(name, recipe) : undefined,
});
progress.stop();
if (values.publish || (result.finished && values.steps === undefined)) {
  await recipe.exportTo(result);
  await mkdir(TRAINING_FOLDER, { recursive: true });
  await writeFileAtomic(path.join(TRAINING_FOLDER, `${name}.svg`), curveSvg(name, result.history));
  const { step, seconds, history } = result;
  await writeFileAtomic(recordOf(name), `${JSON.stringify({ step, seconds, history }, undefined, 1)}\n`);
  progress.note(`${name}: published after ${result.step} steps`);
}
if (!result.finished) progress.note(`${name}: stopped at step ${result.step}; the same command resumes it`);
