import { expect, it } from 'vitest';
import { batchGenerator } from './batch-generator.ts';

// A training that resumes from a checkpoint depends on these numbers.
it('gives the same numbers for a seed on every machine', () => {
  const generator = batchGenerator(7);
  expect([generator(), generator(), generator()]).toEqual([
    0.1404712798539549, 0.9854870857670903, 0.1539266782347113,
  ]);
});
