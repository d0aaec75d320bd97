/** @file Which noise a search tries next. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** Which noise a search tries next. */
export const searchSettings = {
  neighbours: z
    .int()
    .min(1)
    .max(1000)
    .describe('noises that are tried around the best one before the search moves (zero-order)'),
  similarity: z
    .number()
    .gt(-1)
    .lt(1)
    .describe('cosine similarity of these noises and the one that they are drawn around (zero-order)'),
  centres: z
    .int()
    .min(1)
    .max(1000)
    .describe('best noises so far that have a box of their own to search in (trust-region-search)'),
  boxSide: z
    .number()
    .min(0.05)
    .max(2.4)
    .describe(
      'side of each box at first, in standard deviations of the noise; it grows and shrinks between 0.05 and 2.4 (trust-region-search)',
    ),
  warmUp: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the run that tries fresh noise before it searches in boxes (trust-region-search)'),
};

export type SearchSettings = SettingsOf<typeof searchSettings>;
