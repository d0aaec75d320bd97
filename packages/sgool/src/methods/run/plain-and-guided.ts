/** @file The loop of methods that guide the sampling itself: the plain image, and then the guided one from the same noise. */
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { Sampler } from '../../diffusion/sampler.ts';
import { sample } from '../../diffusion/trajectory.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SamplingSettings, SelectionSettings } from '../../request/settings.ts';
import { decodeFrames, judge, shownFrames } from './frames.ts';
import type { Iteration } from './iteration.ts';
import { bestKeeper, type Run, stoppedIn, withinIteration } from './run.ts';
import { type RunScorers, selection } from './run-scorers.ts';

/** How an image is sampled. */
export interface Chain {
  readonly sampler: Sampler;
  readonly denoiser: Denoiser;
}

export interface PlainAndGuidedOptions {
  readonly scorers: RunScorers;
  readonly plain: Chain;
  readonly guided: Chain;
}

/** Runs the loop: iteration 0 is the plain image, every later one is guided. */
export async function* plainAndGuided(
  pipeline: Pipeline,
  run: Run<SamplingSettings & Pick<SelectionSettings, 'keep'>>,
  { scorers, plain, guided }: PlainAndGuidedOptions,
): AsyncGenerator<Iteration> {
  const { settings, noise, signal } = run;
  const keeper = bestKeeper(settings.keep);
  for await (const iteration of run.iterations({ keeper, objective: scorers.memory })) {
    const { sampler, denoiser } = iteration === 0 ? plain : guided;
    const [final] = await withinIteration(run.method, iteration, () =>
      sample(sampler, denoiser, noise, { signal, onStep: run.stepReporter('denoise', iteration) }),
    );
    const frames = await decodeFrames(pipeline, run, final, iteration);
    const { frameScores, failure: unscored, ...judged } = await judge(pipeline, run, frames);
    const chosen = await selection(scorers, settings.keep, frames, frameScores);
    const { scores, objective, failure = unscored } = chosen;
    const best = keeper.isBest({ ...judged, objective });
    yield run.report({
      iteration,
      latent: noise,
      ...shownFrames(frames, settings),
      ...judged,
      ...(scores && { scores, objective }),
      best,
    });
    if (failure) throw stoppedIn(run.method, iteration, failure);
  }
}
