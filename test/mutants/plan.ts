/** @file What a session of the mutation run has to do, and what it answers: files that its two processes share. */
import type { Mutant } from './mutate.ts';

/** Environment variable with the path of the plan. */
export const PLAN_VARIABLE = 'SGOOL_MUTATION_PLAN';

/** What the session tries. */
export interface Plan {
  /** Files to mutate, from the root of the repository, with the number of their first mutant. */
  readonly files: readonly { readonly file: string; readonly firstId: number }[];
  /** Test files in the order in which they are run, absolute. */
  readonly tests: readonly string[];
  /** Mutants that are still to be tried. */
  readonly mutants: readonly Pick<Mutant, 'id'>[];
  /** Absolute path of the file that answers are appended to, a JSON object per line. */
  readonly answers: string;
  /** Where the session left off when it was ended: index of a test file; mutants tried against it already. */
  readonly resume: { readonly test: number; readonly tried: readonly number[] };
}

/** One line of the answers. */
export type Answer =
  /** A test file is about to be run without a mutant. */
  | { readonly kind: 'begin'; readonly test: number }
  /** Every test file was run. */
  | { readonly kind: 'done' }
  /** A test file has been run: `reached` mutants will be tried; `failing` tests fail without any mutant and are left out. */
  | {
      readonly kind: 'file';
      readonly test: number;
      readonly reached: readonly number[];
      readonly failing: readonly string[];
    }
  /** A mutant is about to be tried. */
  | { readonly kind: 'try'; readonly test: number; readonly id: number }
  /** Which test noticed the mutant, if any did. */
  | { readonly kind: 'end'; readonly test: number; readonly id: number; readonly by: string | null };

/** What the switches of `mutate.ts` ask. */
export interface Switches {
  /** The mutant that is on, or 0. */
  on: number;
  /** 1 for every mutant whose place was reached. */
  reached: Uint8Array;
  /** Rounds of loops since the last reset, and how many may be. */
  ticks: number;
  tickLimit: number;
}
