/** @file Mutants that no test can notice, because the program does the same with them. */

/** A mutant, by the line it is in and the change. */
export interface EquivalentMutant {
  /** Path from `packages/sgool/src`. */
  readonly file: string;
  /** The whole line without its indentation. */
  readonly text: string;
  readonly change: string;
  /** Which of several equal changes in the line, from 0; all of them if undefined. */
  readonly nth?: number;
  readonly reason: string;
}

export const EQUIVALENT: readonly EquivalentMutant[] = [];
