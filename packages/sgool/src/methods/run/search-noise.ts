/**
 * @file The loop that all searches share: image from noise, score of the image, next noise. They differ in which noise is next
 * (`optimisers/search/`).
 */
import { sample } from '../../diffusion/trajectory.ts';
import type { Candidate, NoiseSearch, SearchRandom } from '../../optimisers/search/search.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { objectiveSettings } from '../../request/settings/objective.ts';
import { samplingSettings } from '../../request/settings/sampling.ts';
import { type SelectionSettings, selectionSettings } from '../../request/settings/selection.ts';
import type { SettingsOf } from '../../request/settings/shape.ts';
import { targetSettings } from '../../request/settings/target.ts';
import type { Iteration } from './iteration.ts';
import { judgedLatent } from './judged.ts';
import {
  bestKeeper,
  clipNoise,
  denoiserOf,
  type Run,
  samplerOf,
  stoppedIn,
  stopRule,
  withinIteration,
} from './run.ts';
import { runScorers } from './run-scorers.ts';

const { iterations, budget, targetClip } = selectionSettings;

/** The settings that every search has. */
export const searchLoopSettings = {
  ...samplingSettings,
  iterations,
  budget,
  targetClip,
  ...objectiveSettings,
  ...targetSettings,
};
export type SearchLoopSettings = SettingsOf<typeof searchLoopSettings>;

/** Random numbers of a run, for its search. */
export const searchRandom = (
  pipeline: Pick<Pipeline, 'model' | 'latentShape'>,
  run: Pick<Run<SearchLoopSettings>, 'settings' | 'random'>,
): SearchRandom => ({
  normal: clipNoise(pipeline, run),
  uniform: (count) => run.random.rand([count]),
});

/** When a search ends: there is no loss that falls. */
export const searchStop = ({ targetClip }: Pick<SelectionSettings, 'targetClip'>) =>
  stopRule({ keep: 'objective', targetClip, patience: 0, minImprovement: 0 });

/** Runs a search. Iteration 0 is the image of the run's own noise; each later one tries a noise that the search proposes. */
export async function* searchNoise(
  pipeline: Pipeline,
  run: Run<SearchLoopSettings>,
  search: NoiseSearch,
): AsyncGenerator<Iteration> {
  const { settings, signal } = run;
  const denoiser = await denoiserOf(pipeline, run);
  const scorers = await runScorers(pipeline, run);
  const keeper = bestKeeper('objective');
  const stop = searchStop(settings);
  for await (const iteration of run.iterations({ search, keeper, stop, objective: scorers.memory })) {
    const { noise, freshNoise, seed }: Candidate =
      iteration === 0 ? run : search.propose(iteration, run.shareBefore(iteration));
    const sampler = samplerOf(pipeline, settings, { freshNoise: freshNoise ?? run.freshNoise });
    const [final] = await withinIteration(run.method, iteration, () =>
      sample(sampler, denoiser, noise, { signal, onStep: run.stepReporter('denoise', iteration) }),
    );
    const { shown, failure } = await judgedLatent(pipeline, run, final, {
      iteration,
      keep: 'objective',
      keeper,
      scorers,
    });
    yield run.report({ iteration, latent: noise, ...shown, seed: seed ?? run.seed });
    if (failure) throw stoppedIn(run.method, iteration, failure);
    search.tell(noise, shown.objective ?? Number.NaN);
    if (stop.isEnough(shown)) return;
  }
}
