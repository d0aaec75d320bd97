/** Rounds halves to even, as NumPy and Python's `round` do, so that what is computed from it agrees with theirs. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
