/** @file A random order. */

/** The values in a random order. Reference: Fisher and Yates; Durstenfeld 1964. */
export function shuffled<T>(values: readonly T[], uniform: () => number): T[] {
  const all = [...values];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}
