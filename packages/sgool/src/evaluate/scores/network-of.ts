/** @file Names of scores: the network that one comes from, and that of the lowest frame. */

/**
 * The network of a score: `clip_a` of `clip_a:cosine` and `clip_a@regions`. Such scores differ in convention or in what part of the
 * image they read.
 */
export function networkOf(score: string): string {
  return score.split(/[:@]/)[0];
}

/** The score of the frame of a clip that has least. */
export const leastName = (score: string): string => `${score}:least`;
