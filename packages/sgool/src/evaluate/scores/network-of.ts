/** @file The network that a score comes from. */

/**
 * The network of a score: `clip_a` of `clip_a:cosine` and `clip_a@regions`. Such scores differ in convention or in what part of the
 * image they read.
 */
export function networkOf(score: string): string {
  return score.split(/[:@]/)[0];
}
