/** @file Plain Stable Diffusion: one image, no optimisation. What every other method is measured against. */
import { sample } from '../diffusion/trajectory.ts';
import { commonDefaults, withPreset } from '../request/settings.ts';
import type { Method } from './run/method.ts';
import { beginRun, samplerOf, withinIteration } from './run/run.ts';

export const sd: Method = {
  name: 'sd',
  summary: 'plain Stable Diffusion',
  defaults(model, preset) {
    const settings = commonDefaults(model);
    return withPreset(settings, model, 'sd', preset);
  },
  async *run(pipeline, input, options) {
    const run = beginRun(sd, pipeline, input, options, 0);
    const { settings, request, noise, freshNoise, evaluations, signal } = run;
    const denoiser = await pipeline.denoiser({ ...request, ...settings, evaluations });
    const [final] = await withinIteration('sd', 0, () =>
      sample(samplerOf(pipeline, settings, freshNoise), denoiser, noise, {
        signal,
        onStep: run.stepReporter('denoise', 0),
      }),
    );
    const image = await pipeline.decode(final, settings);
    const clip = await pipeline.score(image, request.prompt);
    yield run.report({ iteration: 0, latent: noise, image, clip, best: true });
  },
};
