/** @file Mutants of files that several folders use with which the program does the same. */
import type { EquivalentMutants } from './entry.ts';

export const SHARED: readonly EquivalentMutants[] = [
  {
    file: 'fourier.ts',
    reason:
      'the last turn has nothing to exchange, or is a write or read beyond the end of a typed array does nothing',
    mutants: [
      ['for (let i = 1, j = 0; i < size; i++) {', 'i < size -> i <= size', 0],
      ['for (let i = 0; i < size; i++) {', 'i < size -> i <= size', 0],
    ],
  },
  {
    file: 'fourier.ts',
    reason: 'every pair is exchanged once, by whichever of its ends',
    mutants: [
      ['if (i < j) {', 'i < j -> i <= j', 0],
      ['if (i < j) {', 'i < j -> i >= j', 0],
    ],
  },
  {
    file: 'fourier.ts',
    reason: 'a write or read beyond the end of a typed array does nothing',
    mutants: [['for (let i = k; i < size; i += span) {', 'i < size -> i <= size', 0]],
  },
];
