/** @file The process of the mutation run that holds vitest. `main.ts` starts it, and again when a mutant has made it hang. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { startVitest } from 'vitest/node';
import { mutate } from './mutate.ts';
import { PLAN_VARIABLE, type Plan } from './plan.ts';

const root = join(import.meta.dirname, '../..');
const plan: Plan = JSON.parse(readFileSync(process.env[PLAN_VARIABLE] ?? '', 'utf8'));
const firstIds = new Map(plan.files.map(({ file, firstId }) => [file, firstId]));

const vitest = await startVitest(
  'test',
  [],
  {
    root,
    config: join(root, 'vitest.config.ts'),
    include: ['test/mutants/formality.ts'],
    runner: join(import.meta.dirname, 'session.ts'),
    reporters: [],
    watch: false,
    isolate: false,
    maxWorkers: 1,
    testTimeout: 10_000,
    hookTimeout: 20_000,
    dangerouslyIgnoreUnhandledErrors: true,
  },
  {
    plugins: [
      {
        name: 'mutants',
        enforce: 'pre',
        transform(code: string, id: string) {
          const file = relative(root, id);
          const firstId = firstIds.get(file);
          return firstId === undefined ? undefined : { code: mutate(file, code, firstId).code, map: null };
        },
      },
    ],
  },
);
await vitest.close();
