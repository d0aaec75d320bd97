/** @file Best of N: plain images for seed, seed + 1, ..., of which the one with the highest score of CLIP A is taken. */
import { sample } from '../diffusion/trajectory.ts';
import { Generator } from '../random/generator.ts';
import { commonDefaults, withPreset } from '../request/settings.ts';
import type { Method } from './run/method.ts';
import { beginRun, bestKeeper, drawFreshNoise, samplerOf, stopRule, withinIteration } from './run/run.ts';

export const bestOf: Method = {
  name: 'best-of',
  summary: 'plain images for several seeds, of which CLIP takes the best',
  defaults(model, preset) {
    const settings = { ...commonDefaults(model), iterations: 15 };
    return withPreset(settings, model, 'best-of', preset);
  },
  async *run(pipeline, input, options) {
    const run = beginRun(bestOf, pipeline, input, options);
    const { settings, request, evaluations, signal } = run;
    await pipeline.critic();
    const denoiser = await pipeline.denoiser({ ...request, ...settings, evaluations });
    const isBest = bestKeeper('clip');
    // There is no loss to wait for: images of other seeds have nothing to do with each other.
    const isEnough = stopRule({ ...settings, patience: 0 });
    for (let iteration = 0; iteration <= settings.iterations; iteration++) {
      const seed = run.seed + iteration;
      const random = new Generator(seed);
      const latent = Float64Array.from(random.randn(pipeline.latentShape(settings)));
      const sampler = samplerOf(pipeline, settings, drawFreshNoise(settings, latent.length, random));
      const [final] = await withinIteration('best-of', iteration, () =>
        sample(sampler, denoiser, latent, { signal, onStep: run.stepReporter('denoise', iteration) }),
      );
      const image = await pipeline.decode(final, settings);
      const clip = await pipeline.score(image, request.prompt);
      yield run.report({ iteration, latent, image, clip, best: isBest({ clip }), seed });
      if (isEnough({ clip })) return;
    }
  },
};
