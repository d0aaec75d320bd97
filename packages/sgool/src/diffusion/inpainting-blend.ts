/**
 * @file Inpainting by blending: only some elements of the latent are generated, all others follow a known chain.
 *
 * After each stage the elements that are not free are replaced by those of the known chain, so the network always sees the free
 * part in the surroundings that it will end in. The chain stays differentiable (what is put in depends on nothing) and
 * invertible where the known chain has every state (what was replaced is in it).
 *
 * Reference: Avrahami, Lischinski, Fried 2022, "Blended Diffusion for Text-driven Editing of Natural Images". The known chain comes
 * from the inversion of the image (inversion.ts), or is the image with the same noise at every level, as in diffusers'
 * StableDiffusionInpaintPipeline with a network of four channels (`noisedChain`).
 */
import type { Denoiser } from './denoiser.ts';
import type { Latents, Sampler, Stage } from './sampler.ts';
import { createSampler, invertStage } from './sampler.ts';

/**
 * The sampler with all but the free elements taken from a known chain.
 *
 * @param free 1 for each element of a latent that is generated, 0 for the others
 * @param known as `invertChain` gives it: a state before each stage from step `startIndex` on, and the last one. A state that is
 *   undefined replaces nothing; one with fewer latents than the sampler carries replaces those, and not what is remembered
 * @throws RangeError where `known` has another number of states
 */
export function inpaintingBlend(
  sampler: Sampler,
  free: Uint8Array,
  known: readonly (Latents | undefined)[],
  startIndex = 0,
): Sampler {
  const stages = sampler.stages.filter(({ step }) => step >= startIndex);
  if (known.length !== stages.length + 1) {
    throw new RangeError(
      `inpaintingBlend: ${sampler.name} from step ${startIndex} on has ${stages.length + 1} states, got ${known.length}`,
    );
  }
  const blended = (state: Latents, other: Latents | undefined) =>
    state.map((latent, l) => {
      const kept = other?.[l];
      return kept ? latent.map((value, i) => (free[i] ? value : kept[i])) : latent;
    });
  const freePart = (cotangent: Latents, other: Latents | undefined) =>
    cotangent.map((latent, l) => (other?.[l] ? latent.map((value, i) => (free[i] ? value : 0)) : latent));

  const blendedStage = (stage: Stage, k: number): Stage => {
    const [before, after] = [known[k], known[k + 1]];
    const { invert: _, ...forward } = stage;
    return {
      ...forward,
      run: async (state, denoiser) => blended(await stage.run(state, denoiser), after),
      pullback: async (state, cotangent, denoiser) =>
        freePart(await stage.pullback(state, freePart(cotangent, after), denoiser), before),
      ...(stage.invert &&
        before &&
        after && {
          invert: async (state: Latents, denoiser: Denoiser) =>
            blended(await invertStage(stage, state, denoiser), before),
        }),
    };
  };
  return createSampler({ ...sampler, stages: stages.map(blendedStage) });
}

/**
 * The known chain of an image that is noised afresh at each step, with the same noise: its latent at the level where each step begins,
 * and the clean one at the end. Between the stages of one step nothing is known.
 *
 * @param noise standard normal numbers
 */
export function noisedChain(
  sampler: Sampler,
  clean: Float64Array,
  noise: Float64Array,
  startIndex: number,
): (Latents | undefined)[] {
  const copies = sampler.initial(clean, startIndex).length;
  const stages = sampler.stages.filter(({ step }) => step >= startIndex);
  const states = stages.map(({ step }, k) => {
    if (k > 0 && stages[k - 1].step === step) return undefined;
    const mixed = mixedLatent(sampler, clean, noise, step);
    return Array.from({ length: copies }, () => mixed);
  });
  return [...states, Array.from({ length: copies }, () => clean)];
}

/** The latent that a chain takes at the beginning of a step: so much of the clean one, so much noise. */
export function mixedLatent(
  sampler: Pick<Sampler, 'mixAt'>,
  clean: Float64Array,
  noise: Float64Array,
  step: number,
): Float64Array {
  const mix = sampler.mixAt(step);
  return clean.map((value, i) => mix.signal * value + mix.noise * noise[i]);
}
