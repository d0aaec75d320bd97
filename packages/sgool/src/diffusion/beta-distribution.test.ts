import { expect, it } from 'vitest';
import reference from '../../../../fixtures/data/beta.json' with { type: 'json' };
import { betaQuantile } from './beta-distribution.ts';

it('betaQuantile is the ppf of scipy', () => {
  for (const { a, b, share, quantile } of reference) {
    expect(betaQuantile(share, a, b) / quantile, `${share} of ${a}, ${b}`).toBeCloseTo(1, 12);
  }
});

it('betaQuantile has its ends at 0 and 1', () => {
  expect(betaQuantile(0, 0.6, 0.6)).toBe(0);
  expect(betaQuantile(1, 0.6, 0.6)).toBe(1);
});
