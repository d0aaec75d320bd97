/** @file The world's own seeded generator: integer arithmetic only, so a seed gives the same scene on every machine. */

/** A stream of pseudo-random numbers. */
export interface Rng {
  /** Uniform in [0, 1), 32 bits of resolution. */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** Uniform in [low, high). */
  range(low: number, high: number): number;
  /** True with probability p. */
  chance(p: number): boolean;
  /** One element, each equally likely. */
  pick<T>(items: readonly T[]): T;
  /** One key of `weights`, with probability proportional to its value. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  /**
   * About normal with mean 0 and variance 1: twelve uniforms less six. No logarithm or cosine, whose last bits differ
   * between machines; the tails end at 6, which is harmless here.
   */
  normal(): number;
}

/**
 * A generator for a seed. Seeds are mixed first, so that neighbouring seeds give unrelated streams.
 *
 * Reference: mulberry32 (Tommy Ettinger); seed mixing by the finaliser of MurmurHash3.
 *
 * @param seed any finite number; its lower 53 bits count.
 */
export function createRng(seed: number): Rng {
  let state = mix(mix(seed >>> 0) ^ (Math.floor(seed / 4294967296) >>> 0));
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (n: number) => Math.floor(next() * n);
  return {
    next,
    int,
    range: (low, high) => low + (high - low) * next(),
    chance: (p) => next() < p,
    pick: (items) => items[int(items.length)]!,
    weighted: <K extends string>(weights: Readonly<Record<K, number>>): K => {
      const entries = Object.entries(weights) as [K, number][];
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key;
      }
      return entries[entries.length - 1][0];
    },
    normal: () => {
      let sum = -6;
      for (let i = 0; i < 12; i++) sum += next();
      return sum;
    },
  };
}

/** A well-mixed unsigned 32-bit hash of a string (FNV-1a, then mixed). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** Shuffles in place (Fisher-Yates) and returns the same array. */
export function shuffle<T>(items: T[], rng: Rng): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    const kept = items[i]!;
    items[i] = items[j]!;
    items[j] = kept;
  }
  return items;
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
