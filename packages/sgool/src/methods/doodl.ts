/**
 * @file DOODL: the starting noise is optimised so that the whole image matches the prompt under CLIP.
 *
 * Reference: Wallace, Gokul, Ermon, Naik 2023, "End-to-End Diffusion Latent Optimization Improves Classifier Guidance", and
 * its published code. Departures: latents are float64, not float16; the best iteration is the result, where the published code
 * takes the last; by default the latent of each step is kept, as the published code in fact does.
 */

import { pairDefaults } from '../request/defaults.ts';
import { INPUTS } from '../request/request.ts';
import { cutoutSettings } from '../request/settings/cutouts.ts';
import { differentiationSettings } from '../request/settings/differentiation.ts';
import { objectiveSettings } from '../request/settings/objective.ts';
import { optimiserSettings } from '../request/settings/optimiser.ts';
import { samplingSettings } from '../request/settings/sampling.ts';
import { selectionSettings } from '../request/settings/selection.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { targetSettings } from '../request/settings/target.ts';
import { createGuidance } from './run/guidance.ts';
import type { ObjectiveBuilder } from './run/image-loss.ts';
import type { MethodDefinition } from './run/method.ts';
import { optimiseNoise } from './run/optimise-noise.ts';
import { guidedByObjective } from './run/roles.ts';
import { runScorers } from './run/run-scorers.ts';

const settings = {
  ...samplingSettings,
  ...differentiationSettings,
  ...selectionSettings,
  ...objectiveSettings,
  ...targetSettings,
  ...cutoutSettings,
  ...optimiserSettings,
};

const { targetImages } = INPUTS;

export const doodl: MethodDefinition<'doodl', SettingsOf<typeof settings>> = {
  name: 'doodl',
  summary: 'optimises the noise until the whole image matches the prompt',
  cost: 'iterations x steps, forward and back; twice that with EDICT',
  useFor: 'a single thing or a mood, where no part of the image matters more than another',
  settings,
  inputs: { targetImages },
  movesNoise: true,
  noiseMakesImage: true,
  defaults: (model) => pairDefaults(model, 'checkpointed'),
  roles: guidedByObjective,
  run: (pipeline, run) =>
    optimiseNoise(pipeline, run, async () => {
      const scorers = await runScorers(pipeline, run);
      const guidance = await createGuidance(run, scorers, { resize: 'bilinear' });
      const build: ObjectiveBuilder['build'] = async (_, chosen) => {
        const all = await guidance.aimed([]);
        return { objectives: chosen.map(() => all) };
      };
      return { ...guidance, scorers, build };
    }),
};
