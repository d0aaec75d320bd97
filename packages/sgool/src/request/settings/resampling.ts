/** @file How particles are resampled on their way from noise to image. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** How particles are resampled on their way from noise to image. */
export const resamplingSettings = {
  particles: z
    .int()
    .min(1)
    .max(10_000)
    .describe(
      'images of a population, made together; fewer where the budget does not hold more (resampling)',
    ),
  resamplings: z
    .int()
    .min(0)
    .max(1000)
    .describe('how often the particles of a population are scored and resampled on their way (resampling)'),
  resampleFrom: z
    .number()
    .min(0)
    .lt(1)
    .describe('share of the steps that is done before the particles are resampled first (resampling)'),
  resampleStrength: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'how strongly better particles are preferred at the end of the steps, per standard deviation of the scores; it rises evenly from 0 (resampling)',
    ),
};

export type ResamplingSettings = SettingsOf<typeof resamplingSettings>;
