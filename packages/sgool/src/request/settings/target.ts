/** @file What CLIP compares the image with. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** What CLIP compares the image with, beside the target images of the request. */
export const targetSettings = {
  clipPrompt: z
    .string()
    .max(10_000)
    .describe(
      'text that CLIP steers to and scores instead of the prompt, read as it is; empty for the prompt itself',
    ),
  textWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe('weight of the text in the CLIP loss beside target images; 0 for the images alone'),
};

export type TargetSettings = SettingsOf<typeof targetSettings>;
