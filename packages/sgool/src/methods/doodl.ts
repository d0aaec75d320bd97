/**
 * @file DOODL: the starting noise is moved so that the whole image matches the prompt under CLIP.
 *
 * Reference: Wallace, Gokul, Ermon, Naik 2023, "End-to-End Diffusion Latent Optimization Improves Classifier Guidance", and
 * its published code. Departures: latents are float64, not float16; the best iterate is marked, where the program keeps the
 * last; by default states are checkpointed, as the program in fact does.
 */

import { wholeViews } from '../objectives/whole-views.ts';
import { commonDefaults, pairDefaults, withPreset } from '../request/settings.ts';
import type { Method } from './run/method.ts';
import { optimiseNoise } from './run/optimise-noise.ts';

export const doodl: Method = {
  name: 'doodl',
  summary: 'moves the noise until the whole image matches the prompt',
  defaults(model, preset) {
    const settings = {
      ...commonDefaults(model),
      ...pairDefaults(model, 'checkpointed'),
      iterations: 50,
      cutouts: 16,
    } as const;
    return withPreset(settings, model, 'doodl', preset);
  },
  run: (pipeline, request, options) =>
    optimiseNoise(doodl, pipeline, request, options, async ({ settings, request: { prompt }, random }) => {
      const critic = await pipeline.critic();
      const text = await critic.embedText(prompt);
      const whole = wholeViews(settings, { ...settings, side: critic.side }, text, random);
      const built = {
        objective: () => ({ views: whole.draw(), bestWeight: whole.bestWeight }),
        parts: (distances: Float32Array) => ({ whole: whole.distance(distances) }),
      };
      return { views: whole.count, build: async () => built };
    }),
};
