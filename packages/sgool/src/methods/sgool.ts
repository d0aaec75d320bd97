/**
 * @file SGOOL: the starting noise is moved so that the image and the parts of it that a viewer looks at match the prompt.
 *
 *     L = D(CLIP(whole), text) + λ · mean over regions k of D(CLIP(region k), text)
 *
 * D is the spherical distance; regions come from the saliency map of the image, which takes no gradient.
 *
 * Reference: Wang, Zhou, Zhu, Li, Li 2024, "Saliency Guided Optimization of Diffusion Latents". A reading of the published
 * description, not of code: threshold and box rule, λ, the text of a region, optimiser and selection are choices of this
 * project, and settings.
 */

import { boxCrop, type Crop, type CropSizes } from '../image/crops.ts';
import type { Image } from '../image/image.ts';
import { assignParts, promptParts } from '../objectives/prompt-parts.ts';
import { wholeViews } from '../objectives/whole-views.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { Settings } from '../request/request.ts';
import { commonDefaults, pairDefaults, withPreset } from '../request/settings.ts';
import type { SaliencyMap } from '../saliency/detector.ts';
import { findRegions, type Region } from '../saliency/regions.ts';
import type { Method } from './run/method.ts';
import { type BuiltObjective, type ObjectiveBuilder, optimiseNoise } from './run/optimise-noise.ts';
import type { Run } from './run/run.ts';

export const sgool: Method = {
  name: 'sgool',
  summary: 'moves the noise until the image and what the eye is drawn to match the prompt',
  defaults(model, preset) {
    const settings = {
      ...commonDefaults(model),
      ...pairDefaults(model, 'invertible'),
      iterations: 50,
      cutouts: 16,
    } as const;
    return withPreset(settings, model, 'sgool', preset);
  },
  run: (pipeline, request, options) =>
    optimiseNoise(sgool, pipeline, request, options, (run) => salientObjective(pipeline, run)),
};

/** Looks at each image as a whole and at its salient regions. */
export async function salientObjective(
  pipeline: Pipeline,
  { settings, request, random }: Run,
): Promise<ObjectiveBuilder> {
  const critic = await pipeline.critic();
  const detector = await pipeline.detector(settings.saliency, request);
  const sizes = { ...settings, side: critic.side };
  const text = await critic.embedText(request.prompt);
  const whole = wholeViews(settings, sizes, text, random);
  const regionTexts = await textsOfRegions(critic, request.prompt, settings);
  let seen: { saliency: SaliencyMap; regions: Region[]; crops: Crop[] } | undefined;

  async function see(image: Image) {
    const saliency = await detector.map(image);
    const regions = findRegions(saliency, {
      rule: settings.thresholdRule,
      value: settings.thresholdValue,
      padding: settings.regionPadding,
      minSide: settings.minRegionSide,
      maxRegions: settings.maxRegions,
    });
    return { saliency, regions, crops: regions.map((region) => boxCrop(region, sizes)) };
  }

  return {
    views: whole.count + settings.maxRegions,
    async build(image, iteration): Promise<BuiltObjective> {
      const { saliencyEvery: every } = settings;
      if (!seen || (every > 0 && iteration % every === 0)) seen = await see(image);
      const { saliency, regions, crops } = seen;
      const texts = await regionTexts(image, regions, sizes);
      const weight = settings.lambda / Math.max(1, regions.length);
      const salient = crops.map((crop, k) => ({ crop, text: texts[k], weight }));
      return {
        saliency,
        regions,
        objective: () => ({ views: [...whole.draw(), ...salient], bestWeight: whole.bestWeight }),
        parts: (distances) => ({
          whole: whole.distance(distances),
          regions: regions.length > 0 ? mean(distances.subarray(whole.count)) : undefined,
        }),
      };
    },
  };
}

/** What each region answers to: the whole prompt, or the part of it that it is given. */
async function textsOfRegions(critic: ClipCritic, prompt: string, { regionText }: Settings) {
  const parts = regionText === 'parts' ? promptParts(prompt) : [prompt];
  const texts = await Promise.all(parts.map((part) => critic.embedText(part)));
  return async (image: Image, regions: readonly Region[], sizes: CropSizes): Promise<Float32Array[]> => {
    if (texts.length === 1) return regions.map(() => texts[0]);
    const images: Float32Array[] = [];
    for (const region of regions) images.push(await critic.embedImage(image, boxCrop(region, sizes)));
    const similarity = (r: number, p: number) =>
      images[r].reduce((sum, value, i) => sum + value * texts[p][i], 0);
    return assignParts(regions.length, texts.length, similarity).map((p) => texts[p]);
  };
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
