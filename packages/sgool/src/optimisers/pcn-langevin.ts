/** @file Langevin sampling that keeps the noise normal. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import type { LatentOptimiser, LatentOptimiserOptions } from './optimiser.ts';

/** Where the chain is, and what is known there. */
interface Point {
  readonly latent: Float64Array;
  /** Of -loss / temperature. */
  readonly gradient: Float64Array;
  readonly loss: number;
}

interface PcnState {
  readonly current?: Point;
}

/**
 * Preconditioned Crank-Nicolson Langevin: samples noise with the density N(0, I)·exp(-loss/temperature). Without a loss it leaves
 * N(0, I) as it is, whatever the step size ε, which is `learningRate`:
 *
 *     z' = ρ·z + √(1-ρ²)·(n + √ε/2·g),   ρ = (1 - ε/4)/(1 + ε/4),   g = -dL/dz / temperature
 *
 * A proposal is taken or refused by Metropolis and Hastings when its own loss and gradient are known; after one that is refused the
 * next begins where that one did. With ε 0.5, as published, ρ is 0.778.
 *
 * Reference: Cotter, Roberts, Stuart, White 2013, "MCMC Methods for Functions: Modifying Old Algorithms to Make Them Faster"; Yoon et
 * al. 2025, "Psi-Sampler: Initial Particle Sampling for SMC-Based Inference-Time Reward Alignment".
 */
export function pcnLangevinOptimiser(
  { learningRate, temperature }: Pick<OptimiserSettings, 'learningRate' | 'temperature'>,
  { noise }: Pick<LatentOptimiserOptions, 'noise'>,
): LatentOptimiser {
  const kept = (1 - learningRate / 4) / (1 + learningRate / 4);
  const spread = Math.sqrt(1 - kept ** 2);
  const drift = Math.sqrt(learningRate) / 2;
  let current: Point | undefined;

  /** `ln` of the density of `to` times that of the proposal from it to `from`, but for what both directions share. */
  const weight = (from: Point, to: Point) => {
    let squares = 0;
    for (let i = 0; i < from.latent.length; i++) {
      const way = (from.latent[i] - kept * to.latent[i]) / spread - drift * to.gradient[i];
      squares += way ** 2 + to.latent[i] ** 2;
    }
    return -to.loss / temperature - squares / 2;
  };
  return {
    name: 'pcn-langevin',
    compares: 'run',
    update(latent, gradient, loss) {
      const proposed = { latent, gradient: gradient.map((value) => -value / temperature), loss };
      if (current) {
        // Half the sum of two squared normal numbers is distributed as -ln of a uniform one.
        const [a, b] = Array.from(noise(2));
        const threshold = -(a ** 2 + b ** 2) / 2;
        if (weight(current, proposed) - weight(proposed, current) >= threshold) current = proposed;
      } else {
        current = proposed;
      }
      const { latent: from, gradient: uphill } = current;
      const fresh = noise(from.length);
      return from.map((value, i) => kept * value + spread * (fresh[i] + drift * uphill[i]));
    },
    state: (): PcnState => ({ ...(current && { current }) }),
    restore(state: PcnState) {
      current = state.current;
    },
  };
}
