/** @file The optimisers by name, and what each of them reads. */
import { z } from 'zod';
import type { SettingsOf } from './shape.ts';

/** Names of the optimisers, which `optimisers/` implements. */
export const OPTIMISER_NAMES = [
  'doodl',
  'normalised',
  'adam',
  'sign',
  'line-search',
  'trust-region',
  'reno',
  'pcn-langevin',
] as const;
export type OptimiserName = (typeof OPTIMISER_NAMES)[number];

/** Settings that the optimisers of a kind share. */
const ANGLE = ['learningRate', 'momentum'] as const;
const STEP = [...ANGLE, 'perturbation', 'renormalise'] as const;

/** The settings that each optimiser reads. */
export const OPTIMISER_READS = {
  doodl: ['gradScale', 'clipGradient', 'momentum', 'nesterov', 'perturbation', 'renormalise'],
  normalised: STEP,
  adam: STEP,
  sign: STEP,
  reno: ['learningRate', 'momentum', 'nesterov', 'clipNorm', 'normWeight'],
  'pcn-langevin': ['learningRate', 'temperature'],
  // These two move along the sphere and take no perturbed steps, so that losses can be compared.
  'line-search': ANGLE,
  'trust-region': ANGLE,
} as const satisfies Readonly<Record<OptimiserName, readonly string[]>>;

/** How a gradient moves the noise. */
export const optimiserSettings = {
  optimiser: z.enum(OPTIMISER_NAMES).describe('update rule of the noise'),
  gradScale: z
    .number()
    .min(0)
    .max(1e6)
    .describe('factor on the gradient before it is clipped (optimiser doodl)'),
  clipGradient: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('largest absolute value of a gradient element (optimiser doodl)'),
  momentum: z.number().min(0).lt(1).describe('share of the last step that is kept'),
  nesterov: z.boolean().describe('Nesterov momentum (optimisers doodl and reno)'),
  clipNorm: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('longest gradient; a longer one is scaled down (optimiser reno)'),
  normWeight: z
    .number()
    .min(0)
    .max(1e6)
    .describe('weight of the term that pulls the norm to that of noise (optimiser reno)'),
  temperature: z
    .number()
    .gt(0)
    .max(1e6)
    .describe('loss that makes noise e times less likely (optimiser pcn-langevin)'),
  learningRate: z
    .number()
    .gt(0)
    .max(100)
    .describe(
      'step size: per element (adam, sign), or a factor on the gradient (reno), the share of fresh noise as ε (pcn-langevin), or an angle in radians (normalised; line-search and trust-region: of the first step)',
    ),
  perturbation: z
    .number()
    .min(0)
    .max(10)
    .describe('standard deviation of the noise that is added after each update'),
  renormalise: z.boolean().describe('keep the norm of the latent that is optimised'),
};

export type OptimiserSettings = SettingsOf<typeof optimiserSettings>;
