/** @file The update rule of ReNO. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { heldState } from '../state.ts';
import type { LatentOptimiser } from './optimiser.ts';
import { norm } from './sphere.ts';

/**
 * ReNO's update: gradient descent with momentum (Nesterov's, if so set), the gradient clipped to a length. The norm of the noise is free,
 * but a term of the loss pulls it to the most likely one of standard normal noise of dimension d, √(d - 1):
 *
 *     L' = L + normWeight·(½·‖z‖² - (d - 1)·ln ‖z‖)
 *     g = clip(dL'/dz);  v ← momentum·v + g;  z ← z - learningRate·v   (nesterov: g + momentum·v)
 *
 * As published: learningRate 5, momentum 0.9 with Nesterov, clipNorm 0.1, normWeight 0.01, for losses of whole units; the
 * rewards are ReNO's objective, not a part of this.
 *
 * Reference: Eyring et al. 2024, "ReNO: Enhancing One-step Text-to-Image Models through Reward-based Noise Optimization", section 3.2,
 * and its published code.
 */
export function renoOptimiser({
  learningRate,
  momentum,
  nesterov,
  clipNorm,
  normWeight,
}: Pick<
  OptimiserSettings,
  'learningRate' | 'momentum' | 'nesterov' | 'clipNorm' | 'normWeight'
>): LatentOptimiser {
  let velocity: Float64Array | undefined;
  return {
    name: 'reno',
    update(latent, gradient) {
      const pull = normWeight * (1 - (latent.length - 1) / norm(latent) ** 2);
      const whole = gradient.map((value, i) => value + pull * latent[i]);
      const scale = Math.min(1, clipNorm / norm(whole));
      const clipped = whole.map((value) => scale * value);
      const before = velocity;
      const moved = before ? clipped.map((value, i) => momentum * before[i] + value) : clipped;
      velocity = moved;
      const step = nesterov ? clipped.map((value, i) => value + momentum * moved[i]) : moved;
      return latent.map((value, i) => value - learningRate * step[i]);
    },
    ...heldState<Float64Array | undefined>(
      () => velocity,
      (state) => {
        velocity = state;
      },
    ),
  };
}
