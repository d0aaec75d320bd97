/** @file What is asked for when attention is mapped. */
import { z } from 'zod';
import { PAIR_SAMPLERS } from '../diffusion/sampler-names.ts';
import type { MethodRequest, MethodSchema } from '../request/request.ts';
import { attentionSettings } from '../request/settings/attention.ts';
import { samplingSettings } from '../request/settings/sampling.ts';

/** What is mapped. */
export const attentionMapsShape = {
  layers: z
    .string()
    .max(10_000)
    .describe(
      'layers whose attention is shown, with commas between them: down, mid or up, a size of the maps as 16x16, or names as down_blocks.1.attentions.0; empty for all',
    ),
  atSteps: z
    .string()
    .max(10_000)
    .regex(/^\s*(\d+\s*(,\s*\d+\s*)*)?$/, 'must be numbers of steps with commas between them, as 1,5,9')
    .describe('steps at which it is shown, the first being 1, with commas between them; empty for five'),
};

const settings = {
  ...samplingSettings,
  // A pair of latents is no one chain that could be shown.
  sampler: samplingSettings.sampler
    .exclude(PAIR_SAMPLERS)
    .describe(samplingSettings.sampler.description ?? ''),
  tokens: attentionSettings.tokens.describe(
    'words of the prompt whose attention is shown, with commas between them; cat#2 is the second cat; empty for its nouns',
  ),
};

/** The schema of its requests: those of plain generation. */
export const ATTENTION_MAPS = { name: 'attention', settings } satisfies MethodSchema;

/** A request for maps. */
export type AttentionMapsRequest = MethodRequest & {
  readonly layers?: string | undefined;
  readonly atSteps?: string | undefined;
};
