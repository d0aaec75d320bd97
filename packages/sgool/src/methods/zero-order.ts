/**
 * @file Zero-order search: noises near the best one so far are tried in rounds, and the objective selects. No gradient is taken.
 *
 * Reference: see `optimisers/search/zero-order.ts`.
 */
import { zeroOrderSearch } from '../optimisers/search/zero-order.ts';
import { INPUTS } from '../request/request.ts';
import { searchSettings } from '../request/settings/search.ts';
import type { SettingsOf } from '../request/settings/shape.ts';
import type { MethodDefinition } from './run/method.ts';
import { selectedByObjective } from './run/roles.ts';
import { searchLoopSettings, searchNoise, searchRandom } from './run/search-noise.ts';

const { neighbours, similarity } = searchSettings;
const settings = { ...searchLoopSettings, neighbours, similarity };
const { targetImages } = INPUTS;

export const zeroOrder: MethodDefinition<'zero-order', SettingsOf<typeof settings>> = {
  name: 'zero-order',
  summary: 'tries noises near the best one so far, round by round; the objective selects',
  cost: 'iterations x steps',
  useFor: 'scorers without a gradient, where the best image so far is nearly right',
  settings,
  inputs: { targetImages },
  movesNoise: false,
  noiseMakesImage: true,
  defaults: () => ({ iterations: 15 }),
  roles: selectedByObjective,
  run: (pipeline, run) =>
    searchNoise(pipeline, run, zeroOrderSearch(run.settings, searchRandom(pipeline, run))),
};
