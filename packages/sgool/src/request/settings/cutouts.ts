/** @file Random cutouts of the image. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** Random cutouts, which take the place of the whole image in the CLIP loss. */
export const cutoutSettings = {
  cutouts: z
    .int()
    .min(0)
    .max(256)
    .describe('random cutouts of the image that CLIP sees in place of the whole; 0 for the whole image'),
  cutSize: z
    .number()
    .gt(0)
    .max(1)
    .describe("smallest cutout, as a share of CLIP's input size (or of the image, if that is smaller)"),
  cutPower: z
    .number()
    .min(0)
    .max(10)
    .describe('sizes of the cutouts: below 1 favours large ones, above 1 small ones'),
  cutReduction: z
    .enum(['min', 'mean'])
    .describe('how the distances of the cutouts are combined: the smallest (min) or the mean (mean)'),
  saturatedGradient: z
    .enum(['clamp', 'through'])
    .describe('gradient of pixels beyond black or white: zero (clamp) or unchanged (through)'),
};

export type CutoutSettings = SettingsOf<typeof cutoutSettings>;
