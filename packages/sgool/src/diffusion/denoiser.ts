/**
 * @file What a sampler needs of a network: a prediction and its vector-Jacobian product.
 *
 * Guidance, prompt, precision and device are the business of the model family that makes the denoiser; samplers see latents
 * only.
 */
import { NotFiniteError, UserError } from '../errors.ts';
import type { Predicted } from './noise-path.ts';

/**
 * A network's prediction with its vector-Jacobian product.
 *
 * Latents are `Float64Array`s of `latentShape`'s size; the network inside sees float32 casts. Both methods must be
 * deterministic: the same latent gives the same numbers, bit for bit, or inversion is not exact. Neither may change its
 * arguments.
 */
export interface Denoiser {
  /** Shape of one latent, for example `[1, 4, 16, 16]`; of any rank. */
  readonly latentShape: readonly number[];
  /**
   * What `predict` gives; as the `NoisePath` of the same model says. Networks that give something else (the clean latent, the
   * v of DDPM-like models) are converted by whoever makes the denoiser.
   */
  readonly predicts: Predicted;
  /** The prediction at a latent, guidance applied: as many numbers as the latent has. */
  predict(latent: Float64Array, timestep: number): Promise<Float64Array>;
  /** `J(latent)ᵀ · cotangent`, where J is the Jacobian of `predict` at `latent`; the network is run again inside. */
  pullback(latent: Float64Array, timestep: number, cotangent: Float64Array): Promise<Float64Array>;
  /** How often the network was evaluated so far (one sample, one conditioning = one evaluation). */
  readonly evaluations: { forward: number; pullback: number };
}

/**
 * `denoiser.predict`, with its result checked.
 *
 * @throws UserError if the prediction has the wrong length, NotFiniteError if it holds a number that is not finite.
 */
export async function checkedPrediction(denoiser: Denoiser, latent: Float64Array, timestep: number) {
  const prediction = await denoiser.predict(latent, timestep);
  return checked(`${denoiser.predicts} prediction`, prediction, latent.length, timestep);
}

/**
 * `denoiser.pullback`, with its result checked.
 *
 * @throws UserError if the gradient has the wrong length, NotFiniteError if it holds a number that is not finite.
 */
export async function checkedPullback(
  denoiser: Denoiser,
  latent: Float64Array,
  timestep: number,
  cotangent: Float64Array,
) {
  const gradient = await denoiser.pullback(latent, timestep, cotangent);
  return checked(`gradient of the ${denoiser.predicts} prediction`, gradient, latent.length, timestep);
}

function checked(what: string, values: Float64Array, length: number, timestep: number): Float64Array {
  if (values.length !== length) {
    throw new UserError(
      `denoiser: the ${what} at timestep ${timestep} has ${values.length} values; it must have ${length}, as the latent has`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NotFiniteError(
      `denoiser: the ${what} at timestep ${timestep} holds ${values[bad]} at index ${bad}; every value must be finite`,
    );
  }
  return values;
}
