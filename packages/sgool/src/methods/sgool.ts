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

import type { Crop } from '../image/crops.ts';
import type { Image } from '../image/image.ts';
import { dot, mean } from '../numbers.ts';
import { assignParts, promptParts } from '../objectives/prompt-parts.ts';
import { regionCrop } from '../objectives/region-views.ts';
import { wholeViews } from '../objectives/whole-views.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { Aim, ClipTarget } from '../preference/clip-target.ts';
import { pairDefaults } from '../request/defaults.ts';
import { INPUTS } from '../request/request.ts';
import {
  cutoutSettings,
  differentiationSettings,
  optimiserSettings,
  type RegionSettings,
  regionSettings,
  type SettingsOf,
  samplingSettings,
  selectionSettings,
  targetSettings,
} from '../request/settings.ts';
import type { SaliencyMap } from '../saliency/detector.ts';
import { findRegions, type Region } from '../saliency/regions.ts';
import { heldState } from '../state.ts';
import type { MethodDefinition } from './run/method.ts';
import { type BuiltObjective, type ObjectiveBuilder, optimiseNoise } from './run/optimise-noise.ts';
import { guidedByClip } from './run/roles.ts';
import type { Run } from './run/run.ts';

const settings = {
  ...samplingSettings,
  ...differentiationSettings,
  ...selectionSettings,
  ...targetSettings,
  ...regionSettings,
  ...cutoutSettings,
  ...optimiserSettings,
};
export type SgoolSettings = SettingsOf<typeof settings>;

export const sgool: MethodDefinition<'sgool', SgoolSettings> = {
  name: 'sgool',
  summary: 'optimises the noise until the whole image and its salient regions match the prompt',
  settings,
  inputs: INPUTS,
  movesNoise: true,
  defaults: (model) => pairDefaults(model, 'invertible'),
  roles: guidedByClip,
  run: (pipeline, run) => optimiseNoise(pipeline, run, () => salientObjective(pipeline, run)),
};

/** Where the salient regions are, and how they are cut out. */
interface Located {
  readonly saliency: SaliencyMap;
  readonly regions: readonly Region[];
  readonly crops: readonly Crop[];
}

/** The loss of the whole image and its salient regions. */
export async function salientObjective(
  pipeline: Pipeline,
  { settings, request, target, random }: Run<SgoolSettings>,
): Promise<ObjectiveBuilder> {
  const critic = await pipeline.critic();
  const { saliency: detectorName, centreBias } = settings;
  const { mask } = request;
  const detector = await pipeline.detector(detectorName, { prompt: target.text, mask, random, centreBias });
  const sizes = { ...settings, side: critic.side };
  const whole = wholeViews(settings, sizes, await target.aim(critic), random);
  const regionAims = await aimsOfRegions(critic, target, settings);
  let latest: Located | undefined;

  async function locate(image: Image) {
    const saliency = await detector.map(image);
    const regions = findRegions(saliency, settings);
    return located({ saliency, regions });
  }
  const located = ({ saliency, regions }: Omit<Located, 'crops'>): Located => ({
    saliency,
    regions,
    crops: regions.map((region) => regionCrop(settings.regionView, region, saliency, sizes)),
  });

  return {
    views: whole.count + settings.maxRegions,
    memory: heldState<Omit<Located, 'crops'> | undefined>(
      // Located anew in every iteration, nothing is remembered.
      () =>
        latest && settings.saliencyEvery !== 1
          ? { saliency: latest.saliency, regions: latest.regions }
          : undefined,
      (state) => {
        latest = state && located(state);
      },
    ),
    async build(image, iteration): Promise<BuiltObjective> {
      const { saliencyEvery: every } = settings;
      if (!latest || (every > 0 && iteration % every === 0)) latest = await locate(image);
      const { saliency, regions, crops } = latest;
      const aims = await regionAims(image, crops);
      const weight = settings.lambda / Math.max(1, aims.length);
      const salient = aims.map((aim, k) => ({ crop: crops[k], ...aim, weight }));
      return {
        saliency,
        regions,
        objective: () => ({ views: [...whole.draw(), ...salient], bestWeight: whole.bestWeight }),
        parts: (distances) => ({
          ...whole.part(distances),
          regions: aims.length > 0 ? mean(distances.subarray(whole.count)) : undefined,
        }),
      };
    },
  };
}

/**
 * What each region is compared with: the whole text, or the part of it that fits best; and beside it, by their weights, the whole
 * target images. Nothing, where the text names only what it excludes: then regions do not count.
 */
async function aimsOfRegions(critic: ClipCritic, target: ClipTarget, { regionText }: RegionSettings) {
  const parts = regionText === 'parts' ? promptParts(target.text) : [target.text];
  const aims = await Promise.all(parts.map((part) => target.aim(critic, part)));
  return async (image: Image, crops: readonly Crop[]): Promise<Aim[]> => {
    if (aims.length <= 1) return crops.flatMap(() => aims);
    const images: Float32Array[] = [];
    for (const crop of crops) images.push(await critic.embedImage(image, crop));
    const similarity = (r: number, p: number) => dot(images[r], aims[p].text);
    return assignParts(crops.length, aims.length, similarity).map((p) => aims[p]);
  };
}
