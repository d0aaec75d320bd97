/** @file How the attention of the network steers the sampling itself. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** Names of the losses of the attention, which `objectives/attention/losses/` implements. */
export const ATTENTION_LOSS_NAMES = ['attend-and-excite', 'predicated', 'divide-and-bind', 'syngen'] as const;
export type AttentionLossName = (typeof ATTENTION_LOSS_NAMES)[number];

const NUMBER = '\\s*\\d+(?:\\.\\d+)?\\s*';
/** Places in a chain, each with a number: `0:0.05,0.2:0.5`. */
const THRESHOLDS = new RegExp(`^\\s*(?:published|none|${NUMBER}:${NUMBER}(?:,${NUMBER}:${NUMBER})*)\\s*$`);

/** How the attention of the network steers the sampling itself. */
export const attentionSettings = {
  tokens: z
    .string()
    .max(10_000)
    .describe(
      'words of the prompt that must get a place, with commas between them; cat#2 is the second cat; empty for its nouns',
    ),
  require: z
    .string()
    .max(10_000)
    .describe(
      'what the attention must do, instead of tokens: "cat and dog; cat apart from dog; dog: blue" (both exist, do not overlap, the dog is blue)',
    ),
  attentionLoss: z
    .enum(ATTENTION_LOSS_NAMES)
    .describe(
      'loss of the attention: attend-and-excite knows things that exist, divide-and-bind attributes too, syngen attributes alone, predicated everything',
    ),
  attentionResolution: z
    .int()
    .min(1)
    .max(512)
    .describe('the largest attention maps are used whose shorter side has at most so many positions'),
  attentionStepSize: z
    .number()
    .min(0)
    .max(1e6)
    .describe('factor on the gradient of the loss in the first step; it falls to 0.71 of it in the last'),
  attendUntil: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'where the latent stops being moved: below 1 a share of the steps, from 1 on a number of steps',
    ),
  refineThresholds: z
    .string()
    .regex(
      THRESHOLDS,
      'must be published, none, or step:threshold pairs with commas between them, as 0:0.05,0.2:0.5',
    )
    .describe(
      'steps (below 1 shares of all) at which the latent is moved until every thing has so much attention: step:threshold with commas between them, those of the loss (published), or none',
    ),
  refineSteps: z.int().min(1).max(1000).describe('most moves of the latent at such a step'),
};

export type AttentionSettings = SettingsOf<typeof attentionSettings>;
