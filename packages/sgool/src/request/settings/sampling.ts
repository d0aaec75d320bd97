/** @file How an image is sampled: size, steps, guidance, sampler, and how its prompt is read. */
import { z } from 'zod';
import { SIGMA_SPREADS, STEP_ENDS } from '../../diffusion/noise-path.ts';
import { SAMPLER_NAMES } from '../../diffusion/sampler-names.ts';
import { RNG_NAMES } from '../../random/random-source.ts';
import { PROMPT_SYNTAXES } from '../../text/prompt/prompt.ts';
import { clipSettings } from './frames.ts';
import type { SettingsOf } from './shape.ts';

/** How an image, or a clip, is sampled from noise. */
export const samplingSettings = {
  ...clipSettings,
  width: z.int().min(8).max(4096).describe('width of the image in pixels'),
  height: z.int().min(8).max(4096).describe('height of the image in pixels'),
  steps: z.int().min(1).max(1000).describe('denoising steps'),
  guidanceScale: z
    .number()
    .min(0)
    .max(100)
    .describe('strength of classifier-free guidance; 1 or less switches it off'),
  guidanceStart: z
    .number()
    .min(0)
    .max(1)
    .describe('where guidance begins, between noise (0) and finished image (1)'),
  guidanceStop: z
    .number()
    .min(0)
    .max(1)
    .describe('where guidance ends; a step without guidance costs one network evaluation instead of two'),
  guidanceRescale: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'how far the guided prediction is scaled back to the deviation of the unguided one; 0.7 suits zero-terminal-SNR models',
    ),
  skipGuidanceLayers: z
    .string()
    .regex(/^(\d{1,3}(,\d{1,3})*)?$/, 'must be numbers of layers with commas between them, as 7,8,9')
    .describe(
      'layers of the transformer of Stable Diffusion 3 that guidance also leads away from leaving out, as 7,8,9 for 3.5 medium; empty for none',
    ),
  skipLayerGuidanceScale: z
    .number()
    .min(0)
    .max(100)
    .describe('strength of the guidance away from the network without these layers'),
  skipLayerGuidanceStart: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the steps behind which layers are skipped; each step then costs one evaluation more'),
  skipLayerGuidanceStop: z
    .number()
    .min(0)
    .max(1)
    .describe('share of the steps from which on no layers are skipped any more'),
  sampler: z
    .enum(SAMPLER_NAMES)
    .describe(
      'sampler; edict and reversible-heun are exactly invertible; edict, heun, midpoint and dpm-sde call the network twice per step, the others once',
    ),
  sigmas: z
    .enum(['model', ...SIGMA_SPREADS])
    .describe(
      "spread of the noise levels of euler, heun, midpoint, reversible-heun, lms, unipc and the dpm samplers; model for what the scheduler's file says",
    ),
  eta: z
    .number()
    .min(0)
    .max(1)
    .describe('fresh noise between the steps of ddim and tcd: 0 for none, 1 for as much as DDPM'),
  stepEnds: z
    .enum(STEP_ENDS)
    .describe(
      'where steps of ddim and edict end that do not divide the trained timesteps: as in their published code (reference), or where the next one begins (next)',
    ),
  mixingWeight: z
    .number()
    .gt(0.5)
    .max(1)
    .describe("EDICT's p: the share that each latent of the pair keeps when the two are mixed"),
  promptSyntax: z
    .enum(PROMPT_SYNTAXES)
    .describe(
      'how prompts are read: (red:1.3), [a:b:0.5], [a|b] and BREAK (a1111), (red)1.3, red++, .blend() and .and() (compel), or as they are, cut where they are too long (plain)',
    ),
  clipSkip: z
    .int()
    .min(1)
    .max(24)
    .describe('layer of the text encoder that conditions, counted from the end; 1 is the last'),
  rng: z
    .enum(RNG_NAMES)
    .describe(
      "generator of all random numbers: torch's on the processor (cpu, as diffusers' examples), or on a graphics card (cuda, as the web UI's default), computed here",
    ),
};

/**
 * How an image is sampled.
 *
 * @interface
 */
export type SamplingSettings = SettingsOf<typeof samplingSettings>;
