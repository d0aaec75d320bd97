import { expect, it } from 'vitest';
import { mulberry32 } from './mulberry32.ts';

// Scenes, prompts and published intervals depend on these numbers.
it('gives the same numbers for a seed on every machine, for seeds beyond 32 bits too', () => {
  const one = mulberry32(1);
  expect([one(), one(), one()]).toEqual([0.34290085593238473, 0.32299674674868584, 0.5445869446266443]);
  const large = mulberry32(2 ** 40 + 5);
  expect([large(), large()]).toEqual([0.6984567956533283, 0.08790900325402617]);
});
