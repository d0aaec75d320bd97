/** @file What is wanted of an image, by scorers. */
import { z } from 'zod';
import { scorersText } from './scorers-text.ts';
import type { SettingsOf } from './shape.ts';

/** What is wanted of an image. */
export const objectiveSettings = {
  objective: scorersText(1).describe(
    'what guides and selects: scorers with their weights, perhaps of the whole image or the salient regions alone, such as clip,hps-v2.1:0.5,pickscore@whole:0.2',
  ),
  spreadPictures: z
    .int()
    .min(0)
    .max(64)
    .refine((count) => count !== 1, 'must be 0, or 2 or more')
    .describe(
      'plain images of the prompt by whose spread the scales of several scorers are made alike; 0 takes their scores as they are',
    ),
};

export type ObjectiveSettings = SettingsOf<typeof objectiveSettings>;
