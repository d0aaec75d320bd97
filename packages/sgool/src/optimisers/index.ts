/** @file The table of all optimisers: what each is made by. `OPTIMISER_READS` (request/settings/optimiser.ts) says which settings it uses. */
import type { OptimiserName, OptimiserSettings } from '../request/settings/optimiser.ts';
import { adamOptimiser } from './adam.ts';
import { doodlOptimiser } from './doodl.ts';
import { lineSearchOptimiser } from './line-search.ts';
import { normalisedOptimiser } from './normalised.ts';
import type { LatentOptimiser, LatentOptimiserOptions } from './optimiser.ts';
import { pcnLangevinOptimiser } from './pcn-langevin.ts';
import { renoOptimiser } from './reno.ts';
import { signOptimiser } from './sign.ts';
import { trustRegionOptimiser } from './trust-region.ts';

type Create = (settings: OptimiserSettings, options: LatentOptimiserOptions) => LatentOptimiser;

const OPTIMISERS: Readonly<Record<OptimiserName, Create>> = {
  doodl: doodlOptimiser,
  normalised: normalisedOptimiser,
  adam: adamOptimiser,
  sign: signOptimiser,
  'line-search': lineSearchOptimiser,
  'trust-region': trustRegionOptimiser,
  reno: renoOptimiser,
  'pcn-langevin': pcnLangevinOptimiser,
};

/** The optimiser that the settings name. */
export function createOptimiser(
  settings: OptimiserSettings,
  options: LatentOptimiserOptions,
): LatentOptimiser {
  return OPTIMISERS[settings.optimiser](settings, options);
}
