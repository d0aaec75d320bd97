/** @file Plain Stable Diffusion: one image, no optimisation. All other methods are compared with it. */
import { sample } from '../diffusion/trajectory.ts';
import { type SamplingSettings, samplingSettings } from '../request/settings/sampling.ts';
import { decodeFrames, judge, shownFrames } from './run/frames.ts';
import type { MethodDefinition } from './run/method.ts';
import { denoiserOf, samplerOf, stoppedIn, withinIteration } from './run/run.ts';

export const sd: MethodDefinition<'sd', SamplingSettings> = {
  name: 'sd',
  summary: 'plain Stable Diffusion',
  cost: 'steps',
  useFor: 'a first look, and what every other method is compared with',
  settings: samplingSettings,
  movesNoise: false,
  noiseMakesImage: true,
  lastIteration: 0,
  defaults: () => ({}),
  roles: () => ({ guides: [], selects: [] }),
  async *run(pipeline, run) {
    const { settings, noise, freshNoise, signal } = run;
    const denoiser = await denoiserOf(pipeline, run);
    const [final] = await withinIteration(run.method, 0, () =>
      sample(samplerOf(pipeline, settings, { freshNoise }), denoiser, noise, {
        signal,
        onStep: run.stepReporter('denoise', 0),
      }),
    );
    const frames = await decodeFrames(pipeline, run, final, 0);
    const { frameScores: _, failure, ...judged } = await judge(pipeline, run, frames);
    yield run.report({
      iteration: 0,
      latent: noise,
      ...shownFrames(frames, settings),
      ...judged,
      best: true,
    });
    if (failure) throw stoppedIn(run.method, 0, failure);
  },
};
