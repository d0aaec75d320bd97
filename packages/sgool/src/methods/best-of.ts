/** @file Best of N: plain images for seed, seed + 1, ..., of which the one with the highest CLIP A score is the result. */
import { sample } from '../diffusion/trajectory.ts';
import { randomSource } from '../random/random-source.ts';
import { laterSeed } from '../random/seed.ts';
import { INPUTS } from '../request/request.ts';
import { type SettingsOf, samplingSettings, selectionSettings, targetSettings } from '../request/settings.ts';
import { MODEL_CLIP } from '../request/wanted-scorer.ts';
import type { MethodDefinition } from './run/method.ts';
import {
  bestKeeper,
  denoiserOf,
  drawFreshNoise,
  judge,
  samplerOf,
  stoppedIn,
  stopRule,
  withinIteration,
} from './run/run.ts';

const { iterations, targetClip } = selectionSettings;
const settings = { ...samplingSettings, iterations, targetClip, ...targetSettings };
const { targetImages } = INPUTS;

export const bestOf: MethodDefinition<'best-of', SettingsOf<typeof settings>> = {
  name: 'best-of',
  summary: 'plain images for several seeds; CLIP selects the best',
  settings,
  inputs: { targetImages },
  movesNoise: false,
  defaults: () => ({ iterations: 15 }),
  roles: () => ({ guides: [], selects: [MODEL_CLIP] }),
  async *run(pipeline, run) {
    const { settings, signal } = run;
    await pipeline.critic();
    const denoiser = await denoiserOf(pipeline, run);
    const keeper = bestKeeper('clip');
    // Images of other seeds are independent: there is no loss that falls.
    const stop = stopRule({ targetClip: settings.targetClip, patience: 0, minImprovement: 0 });
    for await (const iteration of run.iterations({ keeper, stop })) {
      const seed = laterSeed(run.seed, iteration);
      const random = randomSource(settings.rng, seed);
      const latent = Float64Array.from(random.randn(pipeline.latentShape(settings)));
      const sampler = samplerOf(pipeline, settings, {
        freshNoise: drawFreshNoise(pipeline, settings, latent.length, random),
      });
      const [final] = await withinIteration(run.method, iteration, () =>
        sample(sampler, denoiser, latent, { signal, onStep: run.stepReporter('denoise', iteration) }),
      );
      const image = await pipeline.decode(final, settings);
      const { clip, failure } = await judge(pipeline, run, image);
      yield run.report({ iteration, latent, image, clip, best: keeper.isBest({ clip }), seed });
      if (failure) throw stoppedIn(run.method, iteration, failure);
      if (stop.isEnough({ clip })) return;
    }
  },
};
