/**
 * @file A chain that is begun once and continued often: the first steps run without gradient, the latent after them is a variable.
 *
 * Reference: Wallace et al. 2023 (DOODL), whose published code calls the number of steps that are left `opt_t`.
 */
import type { Denoiser } from './denoiser.ts';
import type { Latents, Sampler } from './sampler.ts';
import { createSampler } from './sampler.ts';
import type { ChainOptions } from './trajectory.ts';
import { runChain } from './trajectory.ts';

/** The end of a chain. */
export interface RestOfChain {
  readonly sampler: Sampler;
  /** Step that it begins with. */
  readonly startIndex: number;
  /** The latents there: as many as the sampler starts from the one noise. */
  readonly latents: Latents;
}

/**
 * Runs a chain from one step to another, and gives the rest of it. What a multistep sampler remembers of the steps before stays as it
 * is, whatever the latent becomes; the rest is differentiable and, where the sampler is, invertible.
 *
 * @param range the steps that run now: from `startIndex` up to `endIndex`, without it
 */
export async function restOfChain(
  sampler: Sampler,
  denoiser: Denoiser,
  noise: Float64Array | Latents,
  { startIndex, endIndex, ...options }: ChainOptions & { startIndex: number; endIndex: number },
): Promise<RestOfChain> {
  const state = await runChain(sampler, denoiser, noise, { ...options, startIndex, endIndex });
  const copies = sampler.initial(noise, startIndex).length;
  const remembered = state.slice(copies);
  return {
    startIndex: endIndex,
    latents: state.slice(0, copies),
    sampler: createSampler({
      ...sampler,
      stages: sampler.stages.filter(({ step }) => step >= endIndex),
      initial: (latents) => [...sampler.initial(latents, endIndex), ...remembered],
    }),
  };
}
