/** @file The table of all optimisers: what each is made by and which settings it uses. */
import type { OptimiserName, OptimiserSettings } from '../request/settings.ts';
import { adamOptimiser } from './adam.ts';
import { doodlOptimiser } from './doodl.ts';
import { lineSearchOptimiser } from './line-search.ts';
import { normalisedOptimiser } from './normalised.ts';
import type { LatentOptimiser, LatentOptimiserOptions } from './optimiser.ts';
import { pcnLangevinOptimiser } from './pcn-langevin.ts';
import { renoOptimiser } from './reno.ts';
import { signOptimiser } from './sign.ts';
import { trustRegionOptimiser } from './trust-region.ts';

type OptimiserKey = Exclude<keyof OptimiserSettings & string, 'optimiser'>;

interface OptimiserEntry {
  /** Settings that it uses. `renormalise` decides whether it gets a norm to keep. */
  readonly settings: readonly OptimiserKey[];
  create(settings: OptimiserSettings, options: LatentOptimiserOptions): LatentOptimiser;
}

const STEP = ['learningRate', 'momentum', 'perturbation', 'renormalise'] as const;

export const OPTIMISERS: Readonly<Record<OptimiserName, OptimiserEntry>> = {
  doodl: {
    settings: ['gradScale', 'clipGradient', 'momentum', 'nesterov', 'perturbation', 'renormalise'],
    create: doodlOptimiser,
  },
  normalised: { settings: STEP, create: normalisedOptimiser },
  adam: { settings: STEP, create: adamOptimiser },
  sign: { settings: STEP, create: signOptimiser },
  reno: {
    settings: ['learningRate', 'momentum', 'nesterov', 'clipNorm', 'normWeight'],
    create: renoOptimiser,
  },
  'pcn-langevin': { settings: ['learningRate', 'temperature'], create: pcnLangevinOptimiser },
  // These two move along the sphere and take no perturbed steps, so that losses can be compared.
  'line-search': { settings: ['learningRate', 'momentum'], create: lineSearchOptimiser },
  'trust-region': { settings: ['learningRate', 'momentum'], create: trustRegionOptimiser },
};

/** The optimiser that the settings name. */
export function createOptimiser(
  settings: OptimiserSettings,
  options: LatentOptimiserOptions,
): LatentOptimiser {
  return OPTIMISERS[settings.optimiser].create(settings, options);
}
