/** @file Best of N: plain images for seed, seed + 1, ..., of which the one with the highest score by the objective is the result. */
import { sample } from '../diffusion/trajectory.ts';
import { randomSource } from '../random/random-source.ts';
import { laterSeed } from '../random/seed.ts';
import { INPUTS } from '../request/request.ts';
import {
  objectiveSettings,
  type SettingsOf,
  samplingSettings,
  selectionSettings,
  targetSettings,
} from '../request/settings.ts';
import type { MethodDefinition } from './run/method.ts';
import { selectedByObjective } from './run/roles.ts';
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
import { runScorers, selection } from './run/run-scorers.ts';

const { iterations, targetClip } = selectionSettings;
const settings = { ...samplingSettings, iterations, targetClip, ...objectiveSettings, ...targetSettings };
const { targetImages } = INPUTS;

export const bestOf: MethodDefinition<'best-of', SettingsOf<typeof settings>> = {
  name: 'best-of',
  summary: 'plain images for several seeds; the objective selects the best',
  settings,
  inputs: { targetImages },
  movesNoise: false,
  defaults: () => ({ iterations: 15 }),
  roles: selectedByObjective,
  async *run(pipeline, run) {
    const { settings, signal } = run;
    const denoiser = await denoiserOf(pipeline, run);
    const scorers = await runScorers(pipeline, run);
    const keeper = bestKeeper('objective');
    // Images of other seeds are independent: there is no loss that falls.
    const stop = stopRule({ targetClip: settings.targetClip, patience: 0, minImprovement: 0 });
    for await (const iteration of run.iterations({ keeper, stop, objective: scorers.memory })) {
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
      const { clip, failure: unscored } = await judge(pipeline, run, image);
      const { scores, objective, failure = unscored } = await selection(scorers, 'objective', image, clip);
      const best = keeper.isBest({ clip, objective });
      yield run.report({ iteration, latent, image, clip, ...(scores && { scores }), best, seed });
      if (failure) throw stoppedIn(run.method, iteration, failure);
      if (stop.isEnough({ clip })) return;
    }
  },
};
