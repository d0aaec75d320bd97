/**
 * @file Noise levels σ = noise / signal that are spread between the first and the last one by a rule of their own, as diffusers'
 * `use_karras_sigmas`, `use_exponential_sigmas` and `use_beta_sigmas` do.
 *
 * Reference: Karras et al. 2022, equation 5; Lee et al. 2024, "Beta Sampling is All You Need".
 */
import { betaQuantile } from './beta-distribution.ts';
import { type NoisePath, SIGMA_SPREADS, type SigmaSpread } from './noise-path.ts';

/** Karras' ρ: most steps fall where there is little noise. */
const RHO = 7;

/** Both shape parameters of the beta distribution: most steps fall at both ends. */
const BETA_SHAPE = 0.6;

/** `steps` values of σ from `largest` down to `smallest`; a single one is the largest. */
export function spreadSigmas(
  spread: SigmaSpread,
  steps: number,
  largest: number,
  smallest: number,
): number[] {
  const sigmaAt: Record<SigmaSpread, (share: number) => number> = {
    karras(share) {
      const [from, to] = [largest ** (1 / RHO), smallest ** (1 / RHO)];
      return (from + share * (to - from)) ** RHO;
    },
    exponential: (share) => Math.exp(Math.log(largest) + share * (Math.log(smallest) - Math.log(largest))),
    beta: (share) => smallest + betaQuantile(1 - share, BETA_SHAPE, BETA_SHAPE) * (largest - smallest),
  };
  return Array.from({ length: steps }, (_, i) => sigmaAt[spread](i / Math.max(steps - 1, 1)));
}

/** The spread that the file asks for. */
export function spreadOf(config: NoisePath['config']): SigmaSpread | undefined {
  return SIGMA_SPREADS.find((spread) => config[`use_${spread}_sigmas`] === true);
}
