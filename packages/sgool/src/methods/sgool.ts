/**
 * @file SGOOL: the starting noise is optimised so that the whole image and its salient regions match the prompt under CLIP.
 *
 *     L = D(CLIP(whole), text) + λ · mean over regions k of D(CLIP(region k), text)
 *
 * D is the spherical distance. With target images (preference/clip-target.ts) both answer to text and images by their weights.
 * The regions come from the saliency map of the image; no gradient flows through the map.
 *
 * Reference: Wang, Zhou, Zhu, Li, Li 2024, "Saliency Guided Optimization of Diffusion Latents". Written from the published
 * description, without code: threshold and box rule, λ, the text of a region, optimiser and selection are choices of this
 * project, and settings.
 */

import type { Image } from '../image/image.ts';
import { dot } from '../numbers.ts';
import { assignParts, promptParts } from '../objectives/prompt-parts.ts';
import { regionCrop } from '../objectives/region-views.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { pairDefaults } from '../request/defaults.ts';
import { INPUTS } from '../request/request.ts';
import { cutoutSettings } from '../request/settings/cutouts.ts';
import { differentiationSettings } from '../request/settings/differentiation.ts';
import { objectiveSettings } from '../request/settings/objective.ts';
import { optimiserSettings } from '../request/settings/optimiser.ts';
import { regionSettings } from '../request/settings/regions.ts';
import { samplingSettings } from '../request/settings/sampling.ts';
import { selectionSettings } from '../request/settings/selection.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import { targetSettings } from '../request/settings/target.ts';
import type { SaliencyMap } from '../saliency/detector.ts';
import { followRegions, type LocatedFrames, type LocatedRegions } from '../saliency/track.ts';
import { heldState } from '../state.ts';
import { type AimedRegion, createGuidance } from './run/guidance.ts';
import type { BuiltObjective, ObjectiveBuilder } from './run/image-loss.ts';
import type { MethodDefinition } from './run/method.ts';
import { optimiseNoise } from './run/optimise-noise.ts';
import { guidedByObjective } from './run/roles.ts';
import type { Run } from './run/run.ts';
import { runScorers } from './run/run-scorers.ts';

const settings = {
  ...samplingSettings,
  ...differentiationSettings,
  ...selectionSettings,
  ...objectiveSettings,
  ...targetSettings,
  ...regionSettings,
  ...cutoutSettings,
  ...optimiserSettings,
};
export type SgoolSettings = SettingsOf<typeof settings>;

export const sgool: MethodDefinition<'sgool', SgoolSettings> = {
  name: 'sgool',
  summary: 'optimises the noise until the whole image and its salient regions match the prompt',
  cost: 'iterations x steps, forward and back; a saliency map for each',
  useFor: 'several things with attributes of their own, of which plain images miss some',
  settings,
  inputs: INPUTS,
  movesNoise: true,
  noiseMakesImage: true,
  defaults: (model) => pairDefaults(model, 'invertible'),
  roles: guidedByObjective,
  run: (pipeline, run) => optimiseNoise(pipeline, run, () => salientObjective(pipeline, run)),
};

/** The loss of the whole image and its salient regions. */
export async function salientObjective(
  pipeline: Pipeline,
  run: Run<SgoolSettings>,
): Promise<ObjectiveBuilder> {
  const { settings, request, target, random } = run;
  const scorers = await runScorers(pipeline, run);
  const { lambda, maxRegions } = settings;
  const guidance = await createGuidance(run, scorers, { regions: { lambda, most: maxRegions } });
  const detector = await pipeline.detector(settings.saliency, {
    prompt: target.text,
    mask: request.mask,
    random,
    centreBias: settings.centreBias,
  });
  const aimed = aimsOfRegions(pipeline, run);
  let latest: LocatedFrames | undefined;

  async function locate(frames: readonly Image[]): Promise<LocatedFrames> {
    const maps: SaliencyMap[] = [];
    for (const frame of frames) {
      if (frames.length > 1) run.signal?.throwIfAborted();
      maps.push(await detector.map(frame));
    }
    return followRegions(maps, settings);
  }

  return {
    parts: guidance.parts,
    scorers,
    memory: heldState<{ located?: LocatedFrames; units: unknown }>(
      () => ({
        // Located anew in every iteration, nothing is remembered.
        ...(latest && settings.saliencyEvery !== 1 && { located: latest }),
        units: guidance.memory.state(),
      }),
      ({ located, units }) => {
        latest = located;
        guidance.memory.restore(units);
      },
    ),
    async build(frames, chosen, iteration) {
      const { saliencyEvery: every } = settings;
      if (!latest || (every > 0 && iteration % every === 0)) latest = await locate(frames);
      const objectives: BuiltObjective[] = [];
      for (const frame of chosen) {
        const located = latest.frames[frame];
        const guided = await guidance.aimed(await aimed(frames[frame], located));
        objectives.push({ ...located, ...guided });
      }
      const { tracks, jitter } = latest;
      return { objectives, tracks, ...(jitter === undefined ? {} : { jitter }) };
    },
  };
}

/**
 * What each region is compared with: the whole text, or the part of it that fits best by the CLIP of the model. Nothing, where the text
 * names only what it excludes: then regions do not count.
 */
function aimsOfRegions(pipeline: Pipeline, { settings, target }: Run<SgoolSettings>) {
  const parts = settings.regionText === 'parts' ? promptParts(target.text) : [target.text];
  return async (image: Image, { regions, saliency }: LocatedRegions): Promise<AimedRegion[]> => {
    const crops = regions.map(
      (region) => (side: number) => regionCrop(settings.regionView, region, saliency, { ...settings, side }),
    );
    if (parts.length <= 1) return crops.flatMap((crop) => parts.map((text) => ({ crop, text })));
    const critic = await pipeline.critic();
    const texts = await Promise.all(parts.map((part) => critic.embedText(part)));
    const images: Float32Array[] = [];
    for (const crop of crops) images.push(await critic.embedImage(image, crop(critic.side)));
    const similarity = (r: number, p: number) => dot(images[r], texts[p]);
    const chosen = assignParts(crops.length, parts.length, similarity);
    return crops.map((crop, r) => ({ crop, text: parts[chosen[r]] }));
  };
}
