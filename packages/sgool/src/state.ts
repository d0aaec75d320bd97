/** @file What can be put down and taken up again: the contract of everything that a run remembers from one iteration to the next. */

/**
 * Something with a memory. Its state is plain data (texts, numbers, lists, objects, typed arrays), so that it can be written to a file.
 * `S` is its form.
 */
export interface Stateful<S = unknown> {
  /** A copy of what it remembers now. */
  state(): S;
  /** Goes on from a state. It is not changed. */
  restore(state: S): void;
}

/** A variable as a part of what a run remembers. */
export function heldState<S>(get: () => S, set: (state: S) => void): Stateful<S> {
  return { state: get, restore: set };
}
