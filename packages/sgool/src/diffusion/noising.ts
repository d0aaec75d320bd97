/** @file The forward process and the conversions between noise, clean latent and velocity. */
import type { Schedule } from './schedule.ts';

/**
 * The forward process: `√ᾱ·original + √(1-ᾱ)·noise` at `timestep`.
 *
 * Reference: Ho et al. 2020, equation 4.
 */
export function addNoise(
  schedule: Schedule,
  original: Float64Array,
  noise: Float64Array,
  timestep: number,
): Float64Array {
  const alpha = schedule.alphaCumprod(timestep);
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  return original.map((value, i) => signal * value + spread * noise[i]);
}

/**
 * The clean latent that a noise prediction implies: `(latent - √(1-ᾱ)·noise) / √ᾱ`.
 *
 * Reference: Song et al. 2021 (DDIM), equation 9.
 */
export function predictOriginal(
  schedule: Schedule,
  latent: Float64Array,
  noisePrediction: Float64Array,
  timestep: number,
): Float64Array {
  const alpha = schedule.alphaCumprod(timestep);
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  return latent.map((value, i) => (value - spread * noisePrediction[i]) / signal);
}

/**
 * How a network's output becomes a noise prediction: `ε = latent·z + output·network(z)`, from the schedule's
 * `predictionType`. For the maker of a {@link Denoiser}; its pullback is then `latent·c + output·Jᵀc`.
 *
 * Reference: Salimans and Ho 2022, appendix D (velocity).
 */
export function noiseCoefficients(schedule: Schedule, timestep: number): { latent: number; output: number } {
  const alpha = schedule.alphaCumprod(timestep);
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  switch (schedule.predictionType) {
    case 'epsilon':
      return { latent: 0, output: 1 };
    case 'v_prediction':
      return { latent: spread, output: signal };
    case 'sample':
      return { latent: 1 / spread, output: -signal / spread };
  }
}
