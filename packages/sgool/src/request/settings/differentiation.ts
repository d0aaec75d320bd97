/** @file What the gradient is taken of, and how it is computed. */
import { z } from 'zod';
import { frameLossSettings } from './frames.ts';
import type { SettingsOf } from './shape.ts';

/** What the gradient is taken of, and how it is computed. */
export const differentiationSettings = {
  ...frameLossSettings,
  optimiseFrom: z
    .number()
    .min(0)
    .max(999)
    .describe(
      'where the latent is optimised: below 1 a share of the steps, from 1 on a number of steps that run once before; 0 for the starting noise',
    ),
  edictOutput: z
    .enum(['both', 'x'])
    .describe('latents of the EDICT pair that the loss is computed on: both, or x alone'),
  trajectory: z
    .enum(['invertible', 'checkpointed'])
    .describe(
      'source of the latents in the backward pass: inversion of each step (invertible, edict and reversible-heun only) or memory (checkpointed)',
    ),
  gradientSteps: z
    .int()
    .min(0)
    .max(1000)
    .describe('backpropagate through the last N steps only; 0 for all steps, which is the true gradient'),
  jacobianShare: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'share of the network calls that the backward pass goes through, drawn anew for each gradient; 1 for all',
    ),
};

export type DifferentiationSettings = SettingsOf<typeof differentiationSettings>;
