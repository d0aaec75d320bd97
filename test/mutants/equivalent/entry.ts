/** @file An entry of the lists of equivalent mutants. */

/** Mutants of a file, and why the program does the same. */
export interface EquivalentMutants {
  /** Path from `packages/sgool/src`. */
  readonly file: string;
  readonly reason: string;
  /** The whole line without its indentation, the change, and which of several equal changes in the line it is. */
  readonly mutants: readonly (readonly [text: string, change: string, nth: number])[];
}
