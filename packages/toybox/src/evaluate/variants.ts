/** @file The settings that `evaluate:cost` compares. */

import type { GenerationRequest, MethodName, Settings } from 'sgool';

export interface Variant {
  readonly method: MethodName;
  readonly preset?: GenerationRequest['preset'];
  readonly settings?: Partial<Settings>;
}

/** Toybox's own guidance scale, which every variant uses: variants differ in how they optimise, not in the strength of guidance. */
const GUIDANCE = { guidanceScale: 2.5 };

/** DOODL as published (50 EDICT steps, 50 iterations, its update), with some settings replaced. */
const doodl = (settings: Partial<Settings> = {}): Variant => ({
  method: 'doodl',
  preset: 'paper',
  settings: { ...GUIDANCE, ...settings },
});

const ADAM = { optimiser: 'adam', learningRate: 0.05, momentum: 0.9, perturbation: 0 } as const;

/** Adam through a chain of `steps` denoising steps. */
const adam = (
  sampler: Settings['sampler'],
  steps: number,
  iterations: number,
  settings: Partial<Settings> = {},
): Variant => doodl({ ...ADAM, sampler, steps, iterations, ...settings });

/** An update rule through 10 DDIM steps. */
const rule = (settings: Partial<Settings>): Variant =>
  doodl({ sampler: 'ddim', steps: 10, iterations: 25, perturbation: 0, ...settings });

const TRUST_REGION = { optimiser: 'trust-region', learningRate: 0.1 } as const;

/** Iterations are chosen so that a variant takes no more than a tenth of DOODL's evaluations. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  'doodl as published': doodl(),
  'preset fast': { method: 'doodl', preset: 'fast', settings: GUIDANCE },
  'preset fast with sgool': { method: 'sgool', preset: 'fast', settings: GUIDANCE },
  plain: { method: 'sd', settings: GUIDANCE },

  'ddim 5': adam('ddim', 5, 40),
  'ddim 10': adam('ddim', 10, 25),
  'ddim 20': adam('ddim', 20, 15),
  'ddim 50': adam('ddim', 50, 8),
  'edict 10': adam('edict', 10, 15),
  'edict 20': adam('edict', 20, 12),
  'dpm-solver 5': adam('dpm-solver', 5, 40),
  'dpm-solver 8': adam('dpm-solver', 8, 30),
  'dpm-solver 10': adam('dpm-solver', 10, 25),

  'jacobian share 0.5': adam('ddim', 10, 30, { jacobianShare: 0.5 }),
  'jacobian share 0.25': adam('ddim', 10, 40, { jacobianShare: 0.25 }),
  'jacobian share 0': adam('ddim', 10, 60, { jacobianShare: 0 }),
  'ddim 10 guided from 0.2 to 0.8': adam('ddim', 10, 30, { guidanceStart: 0.2, guidanceStop: 0.8 }),
  'ddim 10 guided up to 0.5': adam('ddim', 10, 30, { guidanceStop: 0.5 }),
  'dpm-solver 8 guided from 0.2 to 0.8': adam('dpm-solver', 8, 35, {
    guidanceStart: 0.2,
    guidanceStop: 0.8,
  }),
  'dpm-solver 8 guided up to 0.5': adam('dpm-solver', 8, 35, { guidanceStop: 0.5 }),
  'dpm-solver 8 with jacobian share 0.5': adam('dpm-solver', 8, 30, { jacobianShare: 0.5 }),
  'dpm-solver 8 with jacobian share 0.25': adam('dpm-solver', 8, 40, { jacobianShare: 0.25 }),
  'last 5 steps': adam('ddim', 10, 30, { gradientSteps: 5 }),
  'last 2 steps': adam('ddim', 10, 40, { gradientSteps: 2 }),
  'last step': adam('ddim', 10, 50, { gradientSteps: 1 }),
  'last 2 steps of dpm-solver 8': adam('dpm-solver', 8, 40, { gradientSteps: 2 }),
  'last 2 steps of dpm-solver 10': adam('dpm-solver', 10, 40, { gradientSteps: 2 }),

  "doodl's update with ddim 10": rule({ perturbation: 1e-4, iterations: 50 }),
  'adam 0.1': rule({ ...ADAM, learningRate: 0.1 }),
  normalised: rule({ optimiser: 'normalised', learningRate: 0.1, momentum: 0.7 }),
  sign: rule({ optimiser: 'sign', learningRate: 0.02, momentum: 0.9 }),
  'line search': rule({ optimiser: 'line-search', learningRate: 0.1, momentum: 0, iterations: 40 }),
  'trust region': rule({ ...TRUST_REGION, momentum: 0 }),
  'trust region with momentum': rule({ ...TRUST_REGION, momentum: 0.5 }),
  'trust region with dpm-solver 5': rule({
    ...{ ...TRUST_REGION, momentum: 0.5 },
    ...{ sampler: 'dpm-solver', steps: 5, iterations: 50 },
  }),
  'dpm-solver 8 with patience': adam('dpm-solver', 8, 30, { patience: 5 }),

  'sgool ddim 10': sgool('ddim', 10, 25),
  'sgool dpm-solver 5': sgool('dpm-solver', 5, 40),
  'best of 121': {
    method: 'best-of',
    preset: 'paper',
    settings: { ...GUIDANCE, sampler: 'ddim', steps: 10, iterations: 120 },
  },
};

/** SGOOL with Toybox's defaults: regions beside the whole image. */
function sgool(sampler: Settings['sampler'], steps: number, iterations: number): Variant {
  return { method: 'sgool', settings: { ...GUIDANCE, ...ADAM, sampler, steps, iterations } };
}
