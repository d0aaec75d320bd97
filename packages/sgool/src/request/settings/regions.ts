/** @file Salient regions: how they are found, and how they enter the loss. */
import { z } from 'zod';
import { isSaliency, SALIENCY_NAMES, type SaliencyChoice } from '../detectors.ts';
import type { SettingsOf } from './shape.ts';

/** Which parts of the image are salient. */
export const detectionSettings = {
  saliency: z
    .string()
    .refine(isSaliency, `must be one of ${SALIENCY_NAMES.join(', ')}, or an .onnx file`)
    .transform((name) => name as SaliencyChoice)
    .describe(
      "saliency model: transalnet, grad-cam, grad-cam++, spectral-residual, centre, mask, or an .onnx file with its description beside it; random (a random box) and judge (the boxes of Toybox's judge, which then judges nothing) are for comparison, none is for no regions",
    ),
  centreBias: z
    .enum(['keep', 'remove'])
    .describe(
      "a saliency model's preference for the middle of the image: kept, or divided out of the map (remove; boxes of random and judge stay)",
    ),
  thresholdRule: z
    .enum(['otsu', 'quantile', 'fixed'])
    .describe('how the threshold on the saliency map is chosen'),
  thresholdValue: z
    .number()
    .min(0)
    .max(1)
    .describe("threshold: share of pixels below it (quantile), or share of the map's maximum (fixed)"),
  regionPadding: z
    .number()
    .min(0)
    .max(2)
    .describe('margin on each side of a region, as a share of its longer side'),
  minRegionSide: z
    .number()
    .min(0)
    .max(1)
    .describe("shortest side of a region, as a share of the image's shorter side"),
  maxRegions: z
    .int()
    .min(1)
    .max(16)
    .describe('largest number of regions; those with the most saliency are kept'),
};

/** How the salient regions enter the loss. */
export const regionSettings = {
  lambda: z
    .number()
    .min(0)
    .max(1000)
    .describe('weight of the salient regions in the loss; the whole image has weight 1'),
  ...detectionSettings,
  saliencyEvery: z
    .int()
    .min(0)
    .max(10_000)
    .describe('update the saliency map every N iterations; 0 keeps the first one'),
  regionText: z
    .enum(['prompt', 'parts'])
    .describe(
      'text that a region is compared with, or repainted under: the whole prompt (prompt), or its best-matching part, without what the prompt excludes (parts)',
    ),
  regionView: z
    .enum(['crop', 'mask'])
    .describe(
      'how CLIP sees a region: cut out (crop), or the whole image with all but the salient pixels of the region faded out (mask)',
    ),
};

export type DetectionSettings = SettingsOf<typeof detectionSettings>;
export type RegionSettings = SettingsOf<typeof regionSettings>;
