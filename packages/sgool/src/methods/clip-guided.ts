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
import { checkedPrediction, checkedPullback } from '../diffusion/denoiser.ts';
import type { NoisePath } from '../diffusion/noise-path.ts';
import type { ObjectiveInput } from '../objectives/objective.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { INPUTS } from '../request/request.ts';
import { clipGuidanceSettings } from '../request/settings/clip-guidance.ts';
import { cutoutSettings } from '../request/settings/cutouts.ts';
import { frameLossSettings } from '../request/settings/frames.ts';
import { objectiveSettings } from '../request/settings/objective.ts';
import { keepWithoutLoss, selectionSettings } from '../request/settings/selection.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { targetSettings } from '../request/settings/target.ts';
import { drawnFramesLoss } from './run/drawn-frames.ts';
import { createGuidance, type Guidance } from './run/guidance.ts';
import type { MethodDefinition } from './run/method.ts';
import { guidedSampling, guidedSamplingSettings, plainAndGuided } from './run/plain-and-guided.ts';
import { guidedByObjective } from './run/roles.ts';
import { assertFinite, denoiserOf, type Run, samplerOf } from './run/run.ts';
import { runScorers } from './run/run-scorers.ts';

const settings = {
  ...guidedSamplingSettings,
  keep: keepWithoutLoss,
  selector: selectionSettings.selector,
  ...objectiveSettings,
  ...targetSettings,
  ...cutoutSettings,
  ...clipGuidanceSettings,
  lossFrames: frameLossSettings.lossFrames,
};
const { targetImages } = INPUTS;
type ClipGuidedSettings = SettingsOf<typeof settings>;

export const clipGuided: MethodDefinition<'clip-guided', ClipGuidedSettings> = {
  name: 'clip-guided',
  summary: 'steers every denoising step towards the prompt by the gradient of CLIP',
  cost: 'a plain image before it, then 1.5 x steps, and steps back',
  useFor: 'one image with some guidance, where iterations take too long',
  settings,
  inputs: { targetImages },
  ...guidedSampling,
  // The published method returns the guided image, whatever CLIP says of it.
  defaults: () => ({ keep: 'last', cutouts: 4, cutPower: 1, cutReduction: 'mean' }),
  roles: ({ keep, selector, objective }) => guidedByObjective({ keep, selector, objective, targetClip: 100 }),
  async *run(pipeline, run) {
    const { settings, freshNoise } = run;
    const plain = await denoiserOf(pipeline, run);
    const scorers = await runScorers(pipeline, run);
    const guidance = await createGuidance(run, scorers, { resize: 'bilinear' });
    const guided = await clipGuidedDenoiser(pipeline, run, plain, guidance);
    const sampler = samplerOf(pipeline, settings, { freshNoise });
    yield* plainAndGuided(pipeline, run, {
      scorers,
      plain: { sampler, denoiser: plain },
      guided: { sampler, denoiser: guided },
    });
  },
};

/**
 * The denoiser whose prediction is changed by the CLIP loss, so that the noise it implies becomes `ε + noise·dL/dz`. It has no
 * gradient itself.
 */
async function clipGuidedDenoiser(
  pipeline: Pipeline,
  run: Run<ClipGuidedSettings>,
  plain: Denoiser,
  guidance: Guidance,
): Promise<Denoiser> {
  const { settings, evaluations } = run;
  const path = pipeline.noisePath(settings);
  const objective = await pipeline.objective({ ...settings, parts: guidance.parts });
  const guidanceScale = pipeline.model.embedsGuidance ? settings.guidanceScale : 1;
  const conditional = await denoiserOf(pipeline, run, { guidanceScale });
  const scale = settings.clipGuidanceScale;
  const scaled = async (): Promise<ObjectiveInput> => {
    const aimed = await guidance.aimed([]);
    return aimed.input().map(({ views, bestWeight = 0 }) => ({
      bestWeight: bestWeight * scale,
      views: views.map((view) => ({ ...view, weight: (view.weight ?? 0) * scale })),
    }));
  };
  const loss = drawnFramesLoss(pipeline, run, objective, scaled);
  return {
    latentShape: plain.latentShape,
    predicts: plain.predicts,
    evaluations,
    async predict(latent, timestep) {
      const prediction = await checkedPrediction(plain, latent, timestep);
      const level = path.level(timestep);
      const { prediction: weight } = path.noisePart(level);
      // At the pure noise of a flow the latent is the noise, whatever is predicted.
      if (weight === 0) return prediction;
      const gradient = await sightGradient(conditional, loss, latent, timestep, path);
      const factor = path.noise(level) / weight;
      return prediction.map((value, i) => value + factor * gradient[i]);
    },
    pullback() {
      throw new Error('clip-guided: its denoiser has no gradient');
    },
  };
}

/**
 * dL/dz, where the loss is taken of `noise·x0(z) + (1 - noise)·z`: a blend of the predicted clean latent and the noisy one.
 */
export async function sightGradient(
  conditional: Denoiser,
  loss: (latent: Float64Array) => Promise<{ readonly gradient: Float64Array }>,
  latent: Float64Array,
  timestep: number,
  path: NoisePath,
): Promise<Float64Array> {
  const prediction = await checkedPrediction(conditional, latent, timestep);
  const level = path.level(timestep);
  const spread = path.noise(level);
  const clean = path.cleanLatent(level);
  // Weights of the latent and of the prediction in the blend.
  const own = spread * clean.latent + (1 - spread);
  const predicted = spread * clean.prediction;
  const sight = latent.map((value, i) => own * value + predicted * prediction[i]);
  const { gradient } = await loss(sight);
  assertFinite(`the gradient of the loss at timestep ${timestep}`, gradient);
  const through = await checkedPullback(conditional, latent, timestep, gradient);
  return gradient.map((value, i) => own * value + predicted * through[i]);
}
