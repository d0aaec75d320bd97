/** @file Inverting a sampler's chain: from a clean latent to the noise that the sampler makes it from. */
import { UserError } from '../errors.ts';
import type { Denoiser } from './denoiser.ts';
import type { Latents, Sampler } from './sampler.ts';
import { invertStage } from './sampler.ts';
import { atStep, type ChainOptions } from './trajectory.ts';

/** Options of an inversion. */
export interface InvertOptions extends ChainOptions {
  /** Step at whose beginning inversion stops; the latent there is the result. Default 0, pure noise. */
  startIndex?: number;
}

/**
 * Every state of the chain that ends in `end`: one before each stage from step `startIndex` on, and `end` itself as the last.
 * `sample` with the first state and the same `startIndex` gives `end` again: bit for bit where the sampler made `end`, and
 * otherwise as closely as a float32 network resolves, some 1e-5.
 *
 * Reference: Wallace, Gokul, Naik 2023, "EDICT: Exact Diffusion Inversion via Coupled Transformations", section 4.
 *
 * @param end as many latents as the sampler carries: for EDICT the clean latent twice
 * @throws UserError where the sampler has no exact inverse
 */
export async function invertChain(
  sampler: Sampler,
  denoiser: Denoiser,
  end: Latents,
  { startIndex = 0, onStep, signal }: InvertOptions = {},
): Promise<Latents[]> {
  if (!sampler.invertible) {
    throw new UserError(
      `invertChain: ${sampler.name} with ${sampler.steps} steps has no exact inverse; use EDICT, with fewer steps or a mixing weight nearer to 1`,
    );
  }
  const stages = sampler.stages.filter(({ step }) => step >= startIndex);
  const states: Latents[] = [end];
  for (const [k, stage] of [...stages.entries()].reverse()) {
    signal?.throwIfAborted();
    const before = await atStep(sampler, stage, () => invertStage(stage, states[0], denoiser));
    states.unshift(before);
    if (onStep && stages[k - 1]?.step !== stage.step) {
      const { step, timestep } = stage;
      await onStep({ step, steps: sampler.steps, timestep, latents: sampler.finalLatents(before) });
    }
  }
  return states;
}
