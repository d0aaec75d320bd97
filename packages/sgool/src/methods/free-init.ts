/**
 * @file FreeInit: the noise of a clip is begun anew with the low frequencies of what it became. A network of clips was trained on noised clips, whose low
 * frequencies hold something of the clip even at the noisiest step; pure noise has none of that, and its frames drift apart.
 *
 *     z <- low frequencies of (√ᾱ x0 + √(1-ᾱ) z_0)  +  high frequencies of fresh noise
 *
 * z_0 is the noise of the seed, x0 the latent that the last round made, ᾱ that of the last trained timestep. Published are three rounds, the plain clip
 * among them. It works on pictures as well, with the frequencies of height and width alone.
 *
 * Reference: Wu et al. 2024, "FreeInit: Bridging Initialization Gap in Video Diffusion Models", section 4.2; diffusers, pipelines/free_init_utils.py. Departure:
 * all rounds have all steps (without "coarse-to-fine sampling").
 */
import { sample } from '../diffusion/trajectory.ts';
import { INPUTS } from '../request/request.ts';
import { keepWithoutLoss, selectionSettings } from '../request/settings/selection.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { heldState } from '../state.ts';
import { mixFrequencies } from './run/frequency-mix.ts';
import { judgedLatent } from './run/judged.ts';
import type { MethodDefinition } from './run/method.ts';
import { guidedByObjective } from './run/roles.ts';
import { bestKeeper, denoiserOf, drawNoise, samplerOf, stoppedIn, withinIteration } from './run/run.ts';
import { runScorers } from './run/run-scorers.ts';
import { searchLoopSettings, searchStop } from './run/search-noise.ts';

const settings = {
  ...searchLoopSettings,
  keep: keepWithoutLoss,
  selector: selectionSettings.selector,
};
const { targetImages } = INPUTS;

/** Timesteps that a network was trained on, where its files do not say it. */
const TRAINED_TIMESTEPS = 1000;

export const freeInit: MethodDefinition<'free-init', SettingsOf<typeof settings>> = {
  name: 'free-init',
  summary: 'begins the noise anew, with the low frequencies of the clip that it became',
  cost: 'iterations x steps',
  useFor: 'clips whose frames drift apart; it follows no prompt better by itself',
  settings,
  inputs: { targetImages },
  movesNoise: false,
  noiseMakesImage: true,
  // The published method takes the last round, whatever CLIP says of it.
  defaults: () => ({ iterations: 2, keep: 'last' }),
  roles: (settings) => ({ guides: [], selects: guidedByObjective(settings).selects }),
  async *run(pipeline, run) {
    const { settings, random, signal } = run;
    const denoiser = await denoiserOf(pipeline, run);
    const scorers = await runScorers(pipeline, run);
    const keeper = bestKeeper(settings.keep);
    const stop = searchStop(settings);
    const sampler = samplerOf(pipeline, settings, { freshNoise: run.freshNoise });
    const shape = pipeline.latentShape(settings);
    const path = pipeline.noisePath(settings);
    const trained = Number(path.config.num_train_timesteps ?? TRAINED_TIMESTEPS);
    const level = path.level(trained - 1);
    let latent = run.noise;
    const held = heldState<Float64Array>(
      () => latent,
      (state) => {
        latent = state;
      },
    );
    for await (const iteration of run.iterations({ latent: held, keeper, stop, objective: scorers.memory })) {
      const [final] = await withinIteration(run.method, iteration, () =>
        sample(sampler, denoiser, latent, { signal, onStep: run.stepReporter('denoise', iteration) }),
      );
      const { shown, failure } = await judgedLatent(pipeline, run, final, {
        iteration,
        keep: settings.keep,
        keeper,
        scorers,
      });
      yield run.report({ iteration, latent, ...shown });
      if (failure) throw stoppedIn(run.method, iteration, failure);
      if (stop.isEnough(shown)) return;
      if (run.isLast(iteration)) continue;
      const [signalShare, noiseShare] = [path.signal(level), path.noise(level)];
      const diffused = final.map((value, i) => signalShare * value + noiseShare * run.noise[i]);
      latent = mixFrequencies(diffused, drawNoise(pipeline, settings, random), shape);
    }
  },
};
