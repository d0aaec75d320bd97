/**
 * @file Resampling of particles: which of them live on, and how often, by their scores.
 *
 * Reference: Singhal et al. 2025, "A General Framework for Inference-time Scaling and Steering of Diffusion Models" (FK steering),
 * whose potential is the running maximum of the scores; Kim et al. 2025, "Test-time Alignment of Diffusion Models without Reward
 * Over-optimization" (DAS), for the rising temperature and for SSP. Departure: scores count in standard deviations over
 * the particles, so that the strength means the same for every score.
 */
import { maximum, mean, populationDeviation, sum } from '../../numbers.ts';

/**
 * Weights of particles, which add up to 1: `exp(strength·(score - mean)/deviation)`. Equal where all scores are.
 *
 * @param scores of each particle, the best that it or an ancestor of it reached
 */
export function particleWeights(scores: readonly number[], strength: number): number[] {
  const middle = mean(scores);
  const deviation = populationDeviation(scores);
  const exponents = scores.map((score) => (deviation > 0 ? (strength * (score - middle)) / deviation : 0));
  const most = maximum(exponents);
  const weights = exponents.map((exponent) => Math.exp(exponent - most));
  const total = sum(weights);
  return weights.map((weight) => weight / total);
}

/**
 * How many descendants each particle has, by SSP (Srinivasan's sampling process): `count·weight` rounded down or up, with that mean,
 * and `count` in all. Equal weights keep every particle, where multinomial resampling would lose some.
 *
 * Of two particles one gives from its fraction to the other, until one of the two is whole; the next particle takes its place.
 *
 * Reference: Gerber, Chopin, Whiteley 2019, "Negative association, ordering and convergence of resampling methods", section 3.
 *
 * @param weights of the particles, which add up to 1
 * @param uniform numbers from 0 up to 1, one fewer than there are particles
 */
export function descendants(weights: readonly number[], uniform: ArrayLike<number>): number[] {
  const count = weights.length;
  const whole = weights.map((weight) => Math.floor(count * weight));
  const fraction = weights.map((weight, i) => count * weight - whole[i]);
  let [first, second] = [0, 1];
  for (let next = 2; next <= count; next++) {
    const toFirst = Math.min(fraction[second], 1 - fraction[first]);
    const toSecond = Math.min(fraction[first], 1 - fraction[second]);
    // The more one can gain, the less likely it does: the mean of both stays.
    const gainsSecond = uniform[next - 2] < toFirst / (toFirst + toSecond || 1);
    const [gainer, giver, moved] = gainsSecond ? [second, first, toSecond] : [first, second, toFirst];
    if (fraction[giver] < 1 - fraction[gainer]) {
      fraction[gainer] += moved;
      [first, second] = [gainer, next];
    } else {
      whole[gainer]++;
      fraction[giver] -= moved;
      [first, second] = [next, giver];
    }
  }
  // Rounding may have left the last one at nearly 1.
  if (sum(whole) < count) whole[Math.min(first, second)]++;
  return whole;
}
