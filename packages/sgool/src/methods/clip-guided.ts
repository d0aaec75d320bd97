/**
 * @file CLIP-guided Stable Diffusion, the paper's "Baseline": at every denoising step, the gradient of the CLIP loss of the
 * predicted image is added to the noise prediction. The starting noise stays as it is.
 *
 * The predicted image comes from a noise prediction with the **conditional** embedding, without guidance, as in diffusers'
 * pipeline today; its version of 2022, and DOODL's copy of it, used the unconditional one. A network that takes the guidance
 * scale as an input gets it here too.
 *
 * Reference: huggingface/diffusers, examples/community/clip_guided_stable_diffusion.py (after Crowson), the branch of
 * PNDM, DDIM and DPM-Solver++.
 */

import type { Denoiser } from '../diffusion/denoiser.ts';
import { predictNoise, pullbackNoise } from '../diffusion/denoiser.ts';
import { sample } from '../diffusion/trajectory.ts';
import type { Objective, ObjectiveInput } from '../objectives/objective.ts';
import { wholeViews } from '../objectives/whole-views.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import {
  clipGuidanceSettings,
  cutoutSettings,
  type SettingsOf,
  samplingSettings,
  selectionSettings,
} from '../request/settings.ts';
import type { MethodDefinition } from './run/method.ts';
import { assertFinite, bestKeeper, type Run, samplerOf, withinIteration } from './run/run.ts';

const settings = {
  ...samplingSettings,
  keep: selectionSettings.keep,
  ...cutoutSettings,
  ...clipGuidanceSettings,
};
type ClipGuidedSettings = SettingsOf<typeof settings>;

export const clipGuided: MethodDefinition<'clip-guided', ClipGuidedSettings> = {
  name: 'clip-guided',
  summary: 'steers every denoising step towards the prompt by the gradient of CLIP',
  settings,
  movesNoise: false,
  lastIteration: 1,
  defaults: () => ({ cutouts: 4, cutPower: 1, cutReduction: 'mean' }),
  async *run(pipeline, run) {
    const { settings, request, noise, freshNoise, evaluations, signal } = run;
    const isBest = bestKeeper(settings.keep === 'loss' ? 'clip' : settings.keep);
    const plain = await pipeline.denoiser({ ...request, ...settings, evaluations });
    const guided = await clipGuidedDenoiser(pipeline, run, plain);
    // EDICT calls the network twice per step, at points that no published form of this guidance uses.
    const single = {
      ...settings,
      sampler: settings.sampler === 'edict' ? 'ddim' : settings.sampler,
    } as const;
    for (const [iteration, denoiser] of [plain, guided].entries()) {
      const sampler = samplerOf(pipeline, iteration === 0 ? settings : single, freshNoise);
      const [final] = await withinIteration(run.method, iteration, () =>
        sample(sampler, denoiser, noise, { signal, onStep: run.stepReporter('denoise', iteration) }),
      );
      const image = await pipeline.decode(final, settings);
      const clip = await pipeline.score(image, request.prompt);
      yield run.report({ iteration, latent: noise, image, clip, best: isBest({ clip }) });
    }
  },
};

/** The noise prediction plus the gradient of the CLIP loss: ε + √(1-ᾱ)·dL/dz. It has no gradient itself. */
async function clipGuidedDenoiser(
  pipeline: Pipeline,
  run: Run<ClipGuidedSettings>,
  plain: Denoiser,
): Promise<Denoiser> {
  const { settings, request, evaluations, random } = run;
  const critic = await pipeline.critic();
  const text = await critic.embedText(request.prompt);
  const whole = wholeViews(settings, { ...settings, side: critic.side }, text, random);
  const objective = await pipeline.objective({ ...settings, views: whole.count });
  const guidanceScale = pipeline.model.embedsGuidance ? settings.guidanceScale : 1;
  const conditional = await pipeline.denoiser({ ...request, ...settings, guidanceScale, evaluations });
  const scaled = (): ObjectiveInput => ({
    bestWeight: whole.bestWeight * settings.clipGuidanceScale,
    views: whole.draw().map((view) => ({ ...view, weight: (view.weight ?? 0) * settings.clipGuidanceScale })),
  });
  return {
    latentShape: plain.latentShape,
    evaluations,
    async predict(latent, timestep) {
      const prediction = await predictNoise(plain, latent, timestep);
      const alpha = pipeline.schedule.alphaCumprod(timestep);
      const gradient = await sightGradient(conditional, objective, scaled(), latent, timestep, alpha);
      const spread = Math.sqrt(1 - alpha);
      return prediction.map((value, i) => value + spread * gradient[i]);
    },
    pullback() {
      throw new Error('clip-guided: its denoiser has no gradient');
    },
  };
}

/**
 * dL/dz, where the loss is taken of `s = √b·x0 + (1-√b)·z` with `x0 = (z - √b·ε(z)) / √ᾱ` and `b = 1-ᾱ`: a blend of the
 * predicted clean latent and the noisy one.
 */
export async function sightGradient(
  conditional: Denoiser,
  objective: Objective,
  input: ObjectiveInput,
  latent: Float64Array,
  timestep: number,
  alpha: number,
): Promise<Float64Array> {
  const prediction = await predictNoise(conditional, latent, timestep);
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  const sight = latent.map(
    (value, i) => (spread * (value - spread * prediction[i])) / signal + (1 - spread) * value,
  );
  const { gradient } = await objective.evaluate(sight, input);
  assertFinite(`the gradient of the loss at timestep ${timestep}`, gradient);
  const through = await pullbackNoise(conditional, latent, timestep, gradient);
  return gradient.map(
    (value, i) => (spread / signal + 1 - spread) * value - ((1 - alpha) / signal) * through[i],
  );
}
