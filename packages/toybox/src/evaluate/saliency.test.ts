import { expect, it } from 'vitest';
import { saliencyScores } from './measures/saliency.ts';

const truth = [0, 0, 1, 0, 0, 2];
const fixations = [0, 0, 1, 0, 0, 1];

it('a perfect map has correlation 1, a turned one -1', () => {
  expect(saliencyScores(truth, truth, fixations).cc).toBeCloseTo(1, 12);
  expect(
    saliencyScores(
      truth.map((v) => 3 - 2 * v),
      truth,
      fixations,
    ).cc,
  ).toBeCloseTo(-1, 12);
});

it('NSS is the mean of the standardised map where fixations fell', () => {
  // Mean 0.5, deviation (with n - 1) sqrt(3.5 / 5); fixated values 1 and 2.
  expect(saliencyScores(truth, truth, fixations).nss).toBeCloseTo(1 / Math.sqrt(0.7), 12);
  expect(
    saliencyScores(
      truth.map((v) => 7 * v + 2),
      truth,
      fixations,
    ).nss,
  ).toBeCloseTo(1 / Math.sqrt(0.7), 12);
});
