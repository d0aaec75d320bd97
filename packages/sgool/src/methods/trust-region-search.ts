/**
 * @file Trust-region search: noises in boxes around the best ones so far, whose sides follow success; the objective selects. No gradient is
 * taken.
 *
 * Reference: see `optimisers/search/trust-region-search.ts`.
 */
import { trustRegionSearch as createSearch } from '../optimisers/search/trust-region-search.ts';
import { INPUTS } from '../request/request.ts';
import { searchSettings } from '../request/settings/search.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import type { MethodDefinition } from './run/method.ts';
import { selectedByObjective } from './run/roles.ts';
import { searchLoopSettings, searchNoise, searchRandom } from './run/search-noise.ts';

const { centres, boxSide, warmUp } = searchSettings;
const settings = { ...searchLoopSettings, centres, boxSide, warmUp };
const { targetImages } = INPUTS;

export const trustRegionSearch: MethodDefinition<'trust-region-search', SettingsOf<typeof settings>> = {
  name: 'trust-region-search',
  summary: 'tries noises in boxes around the best ones so far; the objective selects',
  cost: 'iterations x steps',
  useFor: 'scorers without a gradient, and a budget of many images',
  settings,
  inputs: { targetImages },
  movesNoise: false,
  noiseMakesImage: true,
  defaults: () => ({ iterations: 15 }),
  roles: selectedByObjective,
  run: (pipeline, run) => searchNoise(pipeline, run, createSearch(run.settings, searchRandom(pipeline, run))),
};
