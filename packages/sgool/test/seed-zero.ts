/**
 * @file One short run of every method on the embedded model, from seed 0. `npm run make:seed-zero -w sgool` keeps the images
 * and figures in `seed-zero/`, where tests look for them; do so after the model's weights have changed, and look at them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodePng, type Iteration, loadPipeline, methods, type Pipeline } from 'sgool';

export const SEED_ZERO_FOLDER = fileURLToPath(new URL('seed-zero/', import.meta.url));

/** Short enough for a test; ten steps make an image that can be recognised. */
const REQUEST = { prompt: 'a red cat and a blue boat', seed: 0, steps: 10 };

export const SEED_ZERO_RUNS = {
  sd: {},
  'clip-guided': {},
  doodl: { iterations: 2 },
  sgool: { iterations: 2 },
  'best-of': { iterations: 2 },
} as const satisfies Partial<Record<keyof typeof methods, { iterations?: number }>>;

export type SeedZeroMethod = keyof typeof SEED_ZERO_RUNS;

/** What is kept of a run beside its last image. */
export interface SeedZeroFigures {
  readonly clipA: number[];
  readonly evaluations: Iteration['evaluations'];
}

export async function runSeedZero(pipeline: Pipeline, method: SeedZeroMethod) {
  const clipA: number[] = [];
  let last: Iteration | undefined;
  for await (const step of methods[method].run(pipeline, { ...REQUEST, ...SEED_ZERO_RUNS[method] })) {
    clipA.push(step.clip.A ?? Number.NaN);
    last = step;
  }
  if (!last) throw new Error(`seed-zero: ${method} gave no image`);
  const figures: SeedZeroFigures = { clipA, evaluations: last.evaluations };
  return { image: last.image, figures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(SEED_ZERO_FOLDER, { recursive: true });
  const pipeline = await loadPipeline('toybox');
  const kept: Record<string, SeedZeroFigures> = {};
  for (const method of Object.keys(SEED_ZERO_RUNS) as SeedZeroMethod[]) {
    const { image, figures } = await runSeedZero(pipeline, method);
    await writeFile(path.join(SEED_ZERO_FOLDER, `${method}.png`), encodePng(image));
    kept[method] = figures;
  }
  await writeFile(path.join(SEED_ZERO_FOLDER, 'figures.json'), `${JSON.stringify(kept, undefined, 2)}\n`);
  await pipeline.dispose();
}
