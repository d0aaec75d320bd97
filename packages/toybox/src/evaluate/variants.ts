/** @file The settings that `evaluate:cost` holds against each other. */

import type { GenerationRequest, MethodName, Settings } from 'sgool';

export interface Variant {
  /** Variants of one family have one colour in the chart. */
  readonly family: string;
  readonly method: MethodName;
  readonly preset?: GenerationRequest['preset'];
  readonly settings?: Partial<Settings>;
}

/** Toybox's own, which every variant uses: what is compared is the way of optimising, not how strongly the prompt pulls. */
const GUIDANCE = { guidanceScale: 2.5 };

/** DOODL as published: 50 EDICT steps, 50 iterations, its update; with other settings laid over it. */
const doodl = (family: string, settings: Partial<Settings> = {}): Variant => ({
  family,
  method: 'doodl',
  preset: 'paper',
  settings: { ...GUIDANCE, ...settings },
});

const ADAM = { optimiser: 'adam', learningRate: 0.05, momentum: 0.9, perturbation: 0 } as const;
const TEN_STEPS = { sampler: 'ddim', steps: 10, iterations: 25, perturbation: 0 } as const;

const stepwise = (sampler: Settings['sampler'], steps: number, iterations: number) =>
  doodl('fewer steps', { ...ADAM, sampler, steps, iterations });
const partway = (settings: Partial<Settings>) =>
  doodl('part of the gradient', { ...ADAM, ...TEN_STEPS, ...settings });
const rule = (settings: Partial<Settings>) => doodl('update rules', { ...TEN_STEPS, ...settings });
/** SGOOL's objective with Toybox's own reading of it: regions beside the whole picture. */
const sgool = (settings: Partial<Settings>): Variant => ({
  family: 'SGOOL',
  method: 'sgool',
  settings: { ...GUIDANCE, ...ADAM, ...TEN_STEPS, ...settings },
});
const bestOf = (sampler: Settings['sampler'], steps: number): Variant => ({
  family: 'best of many seeds',
  method: 'best-of',
  preset: 'paper',
  settings: { ...GUIDANCE, sampler, steps, iterations: 120 },
});

export const VARIANTS: Readonly<Record<string, Variant>> = {
  'doodl as published': doodl('DOODL as published'),
  plain: { family: 'plain', method: 'sd', settings: GUIDANCE },
  'ddim 10': stepwise('ddim', 10, 25),
  'dpm-solver 5': stepwise('dpm-solver', 5, 40),
  'trust region': rule({ optimiser: 'trust-region', learningRate: 0.1, momentum: 0 }),
  'jacobian share 0.25': partway({ jacobianShare: 0.25, iterations: 40 }),
  'last 2 steps': partway({ gradientSteps: 2, iterations: 40 }),
  'best of 121': bestOf('ddim', 10),
  'sgool ddim 10': sgool({}),
  'dpm-solver 8': stepwise('dpm-solver', 8, 30),
  'ddim 5': stepwise('ddim', 5, 40),
  'jacobian share 0': partway({ jacobianShare: 0, iterations: 60 }),
  'jacobian share 0.5': partway({ jacobianShare: 0.5, iterations: 30 }),
  'last 5 steps': partway({ gradientSteps: 5, iterations: 30 }),
  'trust region with momentum': rule({ optimiser: 'trust-region', learningRate: 0.1, momentum: 0.5 }),
  'line search': rule({ optimiser: 'line-search', learningRate: 0.1, momentum: 0, iterations: 40 }),
  normalised: rule({ optimiser: 'normalised', learningRate: 0.1, momentum: 0.7 }),
  sign: rule({ optimiser: 'sign', learningRate: 0.02, momentum: 0.9 }),
  'adam 0.1': rule({ ...ADAM, learningRate: 0.1 }),
  "doodl's update with ddim 10": rule({ perturbation: 1e-4, iterations: 50 }),
  'edict 10': stepwise('edict', 10, 15),
  'ddim 20': stepwise('ddim', 20, 15),
  'dpm-solver 10': stepwise('dpm-solver', 10, 25),
  'ddim 50': stepwise('ddim', 50, 8),
};
