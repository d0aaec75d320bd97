import { expect, it } from 'vitest';
import { writeTinyModel } from '../pipeline/testing.ts';
import { defined } from '../testing.ts';
import { generate } from './generate.ts';

it('runs a request to its end', async () => {
  const { dir, remove } = await writeTinyModel();
  try {
    const seen: number[] = [];
    const { before, best, last } = await generate(
      { prompt: 'a cat', model: dir, method: 'best-of', seed: 3, steps: 2, iterations: 3 },
      { onIteration: ({ iteration }) => seen.push(iteration) },
    );
    expect(seen).toEqual([0, 1, 2, 3]);
    expect([before.iteration, last.iteration]).toEqual([0, 3]);
    expect(best.clip.A).toBeGreaterThanOrEqual(defined(before.clip.A));
    expect(best.seed).toBe(3 + best.iteration);
  } finally {
    await remove();
  }
});
