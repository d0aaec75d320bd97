/** @file Mutants of `objectives/` with which the program does the same. */
import type { EquivalentMutants } from './entry.ts';

export const OBJECTIVES: readonly EquivalentMutants[] = [
  {
    file: 'objectives/objective.ts',
    reason: 'any number above 200 will do',
    mutants: [['const NO_CANDIDATE = 1000;', '1000 -> (1000 + 1)', 0]],
  },
  {
    file: 'objectives/objective.ts',
    reason: 'of this sum only whether it is finite is looked at',
    mutants: [['planesTimesZero: sum(mul(decoded, 0)),', '0 -> 1', 0]],
  },
];
