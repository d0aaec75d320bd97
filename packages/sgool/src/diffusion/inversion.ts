/** @file A sampler's chain walked backwards: from a clean latent to the noise that it comes from. */
import { UserError } from '../errors.ts';
import type { Denoiser } from './denoiser.ts';
import type { Latents, Sampler } from './sampler.ts';
import type { WalkOptions } from './trajectory.ts';

export interface InvertOptions extends WalkOptions {
  /** Step to stop before: the noise is then the latent at the beginning of that step. Default 0, pure noise. */
  startIndex?: number;
}

/**
 * Every state of the chain that ends in `end`: one before each stage from step `startIndex` on, and `end` itself as the
 * last. The first is what to give to `sample` with the same `startIndex`; it comes back to `end` to what float32 networks
 * resolve, some 1e-5 (bit for bit only where `end` itself came out of the sampler).
 *
 * @param end as many latents as the sampler carries: for EDICT twice the same clean latent
 * @throws UserError where the sampler has no exact inverse
 */
export async function invertChain(
  sampler: Sampler,
  denoiser: Denoiser,
  end: Latents,
  { startIndex = 0, onStep, signal }: InvertOptions = {},
): Promise<Latents[]> {
  if (!sampler.invert) {
    throw new UserError(
      `invertChain: ${sampler.name} with ${sampler.steps} steps has no exact inverse; use EDICT, with fewer steps or a mixing weight nearer to 1`,
    );
  }
  const stages = sampler.stages.filter(({ step }) => step >= startIndex);
  const states: Latents[] = [end];
  for (const [k, stage] of [...stages.entries()].reverse()) {
    signal?.throwIfAborted();
    const before = await stage.invert!(states[0], denoiser);
    states.unshift(before);
    if (onStep && stages[k - 1]?.step !== stage.step) {
      const { step, timestep } = stage;
      await onStep({ step, steps: sampler.steps, timestep, latents: sampler.finalLatents(before) });
    }
  }
  return states;
}
