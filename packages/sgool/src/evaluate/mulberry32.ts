/**
 * @file A small seeded generator for evaluations: integer arithmetic only, so a seed gives the same numbers on every machine.
 * Noise for images comes from `random/generator.ts`, which reproduces torch.
 */

/**
 * A stream of numbers, uniform in [0, 1), with 32 bits of resolution. The seed is mixed first, so neighbouring seeds give
 * unrelated streams.
 *
 * Reference: mulberry32 (Tommy Ettinger); the seed is mixed by the finaliser of MurmurHash3.
 *
 * @param seed a finite number; its lower 53 bits count
 */
export function mulberry32(seed: number): () => number {
  let state = mixBits(mixBits(seed >>> 0) ^ (Math.floor(seed / 2 ** 32) >>> 0));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit of `value`. Unsigned, 32 bits. */
export function mixBits(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
