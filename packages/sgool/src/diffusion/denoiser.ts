/**
 * @file What a sampler needs of a network: a noise prediction and its vector-Jacobian product.
 *
 * Guidance, prompt, precision and device are the business of whoever makes the denoiser; samplers see latents only.
 */
import { UserError } from '../errors.ts';

/**
 * A noise predictor with its vector-Jacobian product.
 *
 * Latents are `Float64Array`s of `latentShape`'s size; the network inside sees float32 casts. Both methods must be
 * deterministic: the same latent gives the same numbers, bit for bit, or inversion is not exact. Neither may change its
 * arguments. A model that predicts velocity or the clean latent is turned into a noise predictor by its maker, with
 * `noiseCoefficients`.
 */
export interface Denoiser {
  /** Shape of one latent, for example `[1, 4, 16, 16]`. */
  readonly latentShape: readonly number[];
  /** The noise prediction ε(latent, timestep), guidance applied. */
  predict(latent: Float64Array, timestep: number): Promise<Float64Array>;
  /** `J(latent)ᵀ · cotangent`, where J is the Jacobian of `predict` at `latent`; the network is run again inside. */
  pullback(latent: Float64Array, timestep: number, cotangent: Float64Array): Promise<Float64Array>;
  /** How often the UNet was evaluated so far (one sample, one conditioning = one evaluation). */
  readonly evaluations: { forward: number; pullback: number };
}

/**
 * `denoiser.predict`, with its answer checked.
 *
 * @throws UserError if the prediction has the wrong length or holds a number that is not finite.
 */
export async function predictNoise(denoiser: Denoiser, latent: Float64Array, timestep: number) {
  const prediction = await denoiser.predict(latent, timestep);
  return checked('noise prediction', prediction, latent.length, timestep);
}

/**
 * `denoiser.pullback`, with its answer checked.
 *
 * @throws UserError if the gradient has the wrong length or holds a number that is not finite.
 */
export async function pullbackNoise(
  denoiser: Denoiser,
  latent: Float64Array,
  timestep: number,
  cotangent: Float64Array,
) {
  const gradient = await denoiser.pullback(latent, timestep, cotangent);
  return checked('gradient of the noise prediction', gradient, latent.length, timestep);
}

function checked(what: string, values: Float64Array, length: number, timestep: number): Float64Array {
  if (values.length !== length) {
    throw new UserError(
      `denoiser: the ${what} at timestep ${timestep} has ${values.length} values; it must have ${length}, as the latent has`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new UserError(
      `denoiser: the ${what} at timestep ${timestep} holds ${values[bad]} at index ${bad}; every value must be finite`,
    );
  }
  return values;
}
