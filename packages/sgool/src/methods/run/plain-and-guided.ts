/**
 * @file Methods that guide the sampling itself: what they have in common, and their loop of the plain image, and then the guided one from the same
 * noise.
 */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { Sampler } from '../../diffusion/sampler.ts';
import { isPairSampler, PAIR_SAMPLERS, type SamplerName } from '../../diffusion/sampler-names.ts';
import { sample } from '../../diffusion/trajectory.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type SamplingSettings, samplingSettings } from '../../request/settings/sampling.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import type { Iteration } from './iteration.ts';
import { judgedLatent } from './judged.ts';
import { bestKeeper, type Run, stoppedIn, withinIteration } from './run.ts';
import type { RunScorers } from './run-scorers.ts';

/** How their images are sampled. A pair of latents is one image seen twice: a move of one of them alone would end their likeness. */
export const guidedSamplingSettings = {
  ...samplingSettings,
  sampler: samplingSettings.sampler
    .exclude(PAIR_SAMPLERS)
    .describe(samplingSettings.sampler.description ?? ''),
};

/** What they say of themselves. */
export const guidedSampling = {
  movesNoise: false,
  noiseMakesImage: false,
  lastIteration: 1,
  // A hint of the model for all methods may name a sampler that these do not have.
  everyPreset: ({ sampler }: { readonly sampler: SamplerName }) =>
    isPairSampler(sampler) ? { sampler: 'ddim' as const } : {},
} as const;

/** How an image is sampled. */
export interface Chain {
  readonly sampler: Sampler;
  readonly denoiser: Denoiser;
}

export interface PlainAndGuidedOptions {
  readonly plain: Chain;
  readonly guided: Chain;
  /** Where `keep` may be `objective`. */
  readonly scorers?: RunScorers;
}

/** Runs the loop: iteration 0 is the plain image, every later one is guided. */
export async function* plainAndGuided(
  pipeline: Pipeline,
  run: Run<SamplingSettings & Pick<SelectionSettings, 'keep'>>,
  { scorers, plain, guided }: PlainAndGuidedOptions,
): AsyncGenerator<Iteration> {
  const { settings, noise, signal } = run;
  const { keep } = settings;
  const keeper = bestKeeper(keep);
  for await (const iteration of run.iterations({ keeper, ...(scorers && { objective: scorers.memory }) })) {
    const { sampler, denoiser } = iteration === 0 ? plain : guided;
    const [final] = await withinIteration(run.method, iteration, () =>
      sample(sampler, denoiser, noise, { signal, onStep: run.stepReporter('denoise', iteration) }),
    );
    const { shown, failure } = await judgedLatent(pipeline, run, final, { iteration, keep, keeper, scorers });
    yield run.report({ iteration, latent: noise, ...shown });
    if (failure) throw stoppedIn(run.method, iteration, failure);
  }
}
