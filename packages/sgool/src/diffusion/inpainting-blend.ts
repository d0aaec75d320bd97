/**
 * @file A chain that may move in some places only: everywhere else its states are those of a chain that is known.
 *
 * After each stage the elements that are not free are replaced by the known ones, so the network always sees the free part
 * in the surroundings that it will end in. Nothing of this hinders gradient or inverse: what is replaced depends on
 * nothing, and what it was before need not be found again, because the known chain tells it.
 *
 * Reference: the blending of Avrahami, Lischinski and Fried 2022, "Blended Diffusion for Text-driven Editing of Natural
 * Images"; there the known part is noised afresh, here it comes from the inversion of the image itself.
 */
import type { Latents, Sampler, Stage } from './sampler.ts';
import { createSampler } from './sampler.ts';

/**
 * The sampler held to a known chain outside of the free elements.
 *
 * @param free 1 for each element of a latent that may move, 0 for the others
 * @param known as `invertChain` gives it: a state before each stage from step `startIndex` on, and the last one
 */
export function inpaintingBlend(
  sampler: Sampler,
  free: Uint8Array,
  known: readonly Latents[],
  startIndex = 0,
): Sampler {
  const stages = sampler.stages.filter(({ step }) => step >= startIndex);
  if (known.length !== stages.length + 1) {
    throw new RangeError(
      `inpaintingBlend: ${sampler.name} from step ${startIndex} on has ${stages.length + 1} states, got ${known.length}`,
    );
  }
  const held = (state: Latents, by: Latents) =>
    state.map((latent, l) => latent.map((value, i) => (free[i] ? value : by[l][i])));
  const moving = (cotangent: Latents) =>
    cotangent.map((latent) => latent.map((value, i) => (free[i] ? value : 0)));

  const blendedStage = (stage: Stage, k: number): Stage => ({
    ...stage,
    run: async (state, denoiser) => held(await stage.run(state, denoiser), known[k + 1]),
    pullback: async (state, cotangent, denoiser) =>
      moving(await stage.pullback(state, moving(cotangent), denoiser)),
    ...(stage.invert && {
      invert: async (state, denoiser) => held(await stage.invert!(state, denoiser), known[k]),
    }),
  });
  return createSampler({ ...sampler, stages: stages.map(blendedStage) });
}
