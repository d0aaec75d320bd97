/** @file Best of N: plain images for seed, seed + 1, ..., of which the one with the highest score by the objective is the result. */
import type { NoiseSearch } from '../optimisers/search/search.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { INPUTS } from '../request/request.ts';
import { heldState } from '../state.ts';
import type { MethodDefinition } from './run/method.ts';
import { selectedByObjective } from './run/roles.ts';
import { drawLaterSeed, type Run } from './run/run.ts';
import { type SearchLoopSettings, searchLoopSettings, searchNoise } from './run/search-noise.ts';

const { targetImages } = INPUTS;

export const bestOf: MethodDefinition<'best-of', SearchLoopSettings> = {
  name: 'best-of',
  summary: 'plain images for several seeds; the objective selects the best',
  cost: 'iterations x steps',
  useFor: 'any prompt, where seeds are free to change: hard to beat at equal cost, and it needs no gradient',
  settings: searchLoopSettings,
  inputs: { targetImages },
  movesNoise: false,
  noiseMakesImage: true,
  independentCandidates: true,
  defaults: () => ({ iterations: 15 }),
  roles: selectedByObjective,
  run: (pipeline, run) => searchNoise(pipeline, run, laterSeeds(pipeline, run)),
};

/** The noise of one seed after another, whatever the scores, with all that plain generation draws for that seed. */
function laterSeeds(pipeline: Pipeline, run: Run<SearchLoopSettings>): NoiseSearch {
  return {
    propose: (iteration) => drawLaterSeed(pipeline, run, iteration),
    tell: () => undefined,
    ...heldState(
      () => undefined,
      () => undefined,
    ),
  };
}
