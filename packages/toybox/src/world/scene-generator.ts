/**
 * @file The generator that scenes, captions and fixations are drawn from: integer arithmetic only, so a seed gives the same
 * scene on every machine. Noise for images is drawn by sgool's `Generator`, batches by `train/batch-generator.ts`.
 */
import { mixBits, mulberry32 } from 'sgool/evaluate';

/** A stream of pseudo-random numbers. */
export interface SceneGenerator {
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
   * Nearly normal with mean 0 and variance 1: the sum of twelve uniforms less six. It needs no logarithm or cosine, whose last
   * bits differ between machines; its tails end at 6, which does no harm here.
   */
  normal(): number;
}

/**
 * A generator for a seed. Neighbouring seeds give unrelated streams.
 *
 * @param seed a finite number; its lower 53 bits count
 */
export function sceneGenerator(seed: number): SceneGenerator {
  const next = mulberry32(seed);
  const int = (n: number) => Math.floor(next() * n);
  return {
    next,
    int,
    range: (low, high) => low + (high - low) * next(),
    chance: (p) => next() < p,
    pick: (items) => items[int(items.length)],
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
  return mixBits(hash);
}

/** Shuffles in place (Fisher-Yates) and returns the same array. */
export function shuffle<T>(items: T[], generator: SceneGenerator): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = generator.int(i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}
