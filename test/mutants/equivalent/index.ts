/** @file Mutants that no test can notice, because the program does the same with them. `mutate.test.ts` checks that they still exist. */

import { DIFFUSION } from './diffusion.ts';
import type { EquivalentMutants } from './entry.ts';
import { OBJECTIVES } from './objectives.ts';
import { SALIENCY } from './saliency.ts';
import { SHARED } from './shared.ts';
import { WEIGHTS } from './weights.ts';

export const EQUIVALENT: readonly EquivalentMutants[] = [
  ...DIFFUSION,
  ...OBJECTIVES,
  ...SALIENCY,
  ...SHARED,
  ...WEIGHTS,
];
