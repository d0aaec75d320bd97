/**
 * @file Prompt-to-Prompt: an image is sampled again under another text, whose attention follows that of the text that describes it.
 *
 * Two chains run side by side, as one: each latent of the sampler is that of the source with that of the target behind it.
 *
 * Reference: Hertz et al. 2022, "Prompt-to-Prompt Image Editing with Cross Attention Control"; for real images with EDICT in the place of
 * DDIM's inversion, Wallace, Gokul, Naik 2023.
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { createSampler, type Latents, type Sampler } from '../../diffusion/sampler.ts';
import { UserError } from '../../errors.ts';
import { tokensOf } from '../../objectives/attention/requirement.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import { denoiserOptionsOf, type Run } from '../run/run.ts';
import type { RefineSource } from './refine-request.ts';
import { alignTokens } from './token-alignment.ts';

/** Shares of the steps in which attention follows the source, as in the published code. */
const DEFAULTS = { crossReplace: 0.8, selfReplace: 0.4 };

/** Each latent with a copy of itself behind it, or with that of another chain. */
export const sideBySide = (first: Float64Array, second = first): Float64Array => {
  const both = new Float64Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
};

/** The sampler of two chains that begin with the same latents; its results are those of the second. It has no gradient. */
export function pairedSampler(sampler: Sampler): Sampler {
  return createSampler({
    ...sampler,
    initial(noise, startIndex) {
      const latents: Latents = noise instanceof Float64Array ? [noise] : noise;
      const both = latents.map((latent) => sideBySide(latent));
      return sampler.initial(both.length === 1 ? both[0] : both, startIndex);
    },
    finalLatents: (state) => sampler.finalLatents(state).map((latent) => latent.slice(latent.length / 2)),
    finalPullback() {
      throw new Error(`${sampler.name}: two chains side by side have no gradient`);
    },
  });
}

/**
 * The network of both chains.
 *
 * @throws UserError where a word that is weighed is not in the prompt
 */
export async function pairedDenoiserOf(
  pipeline: Pipeline,
  run: Run<SamplingSettings>,
  source: Pick<RefineSource, 'sourcePrompt' | 'crossReplace' | 'selfReplace' | 'reweight'>,
): Promise<Denoiser> {
  const options = denoiserOptionsOf(pipeline, run);
  const { sourcePrompt = '' } = source;
  // For their tokens, which all frames of a clip share.
  const attention = await pipeline.crossAttention({ ...options, frames: 1 });
  const described = await pipeline.crossAttention({ ...options, frames: 1, prompt: sourcePrompt });
  const { tokens } = attention;
  const { mapping, keep } = alignTokens(described.pieces, attention.pieces, tokens);
  for (const { word, weight } of weightsOf(source.reweight)) {
    for (const at of tokensOf(word, attention, 'reweight')) {
      keep[at] *= weight;
      for (let from = 0; from < tokens; from++) mapping[from * tokens + at] *= weight;
    }
  }
  return pipeline.pairedDenoiser({
    ...options,
    sourcePrompt,
    mapping,
    keep,
    crossShare: source.crossReplace ?? DEFAULTS.crossReplace,
    selfShare: source.selfReplace ?? DEFAULTS.selfReplace,
  });
}

/** `red=2,cat=0.5`, which the request's schema has checked. @throws UserError where a word is there twice */
function weightsOf(text = ''): { word: string; weight: number }[] {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  const weights = pairs.map((pair) => {
    const [word, weight] = pair.split('=');
    return { word: word.trim().toLowerCase(), weight: Number(weight) };
  });
  const twice = weights.find(({ word }, i) => weights.findIndex((other) => other.word === word) < i);
  if (twice === undefined) return weights;
  throw new UserError(`reweight: ${twice.word} is there twice, got ${text}; give it once`);
}
