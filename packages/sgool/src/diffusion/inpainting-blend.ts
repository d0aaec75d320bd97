/**
 * @file Inpainting by blending: only some elements of the latent are generated, all others follow a known chain.
 *
 * After each stage the elements that are not free are replaced by those of the known chain, so the network always sees the free
 * part in the surroundings that it will end in. The chain stays differentiable (what is put in depends on nothing) and
 * invertible (what was replaced is in the known chain).
 *
 * Reference: Avrahami, Lischinski, Fried 2022, "Blended Diffusion for Text-driven Editing of Natural Images". There the known
 * part is noised afresh at each step; here it comes from the inversion of the image (inversion.ts).
 */
import type { Latents, Sampler, Stage } from './sampler.ts';
import { createSampler, invertStage } from './sampler.ts';

/**
 * The sampler with all but the free elements taken from a known chain.
 *
 * @param free 1 for each element of a latent that is generated, 0 for the others
 * @param known as `invertChain` gives it: a state before each stage from step `startIndex` on, and the last one
 * @throws RangeError where `known` has another number of states
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
  const blended = (state: Latents, other: Latents) =>
    state.map((latent, l) => latent.map((value, i) => (free[i] ? value : other[l][i])));
  const freePart = (cotangent: Latents) =>
    cotangent.map((latent) => latent.map((value, i) => (free[i] ? value : 0)));

  const blendedStage = (stage: Stage, k: number): Stage => ({
    ...stage,
    run: async (state, denoiser) => blended(await stage.run(state, denoiser), known[k + 1]),
    pullback: async (state, cotangent, denoiser) =>
      freePart(await stage.pullback(state, freePart(cotangent), denoiser)),
    ...(stage.invert && {
      invert: async (state, denoiser) => blended(await invertStage(stage, state, denoiser), known[k]),
    }),
  });
  return createSampler({ ...sampler, stages: stages.map(blendedStage) });
}
