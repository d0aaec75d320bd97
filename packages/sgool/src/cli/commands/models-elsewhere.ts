/** @file Models and weights for `sgool models list` that do not come with the package. */

import { type CachedModel, listCachedModels } from '../../weights/hub/cache.ts';
import { ADDED_NAMES, findAdded } from '../../weights/open/added.ts';
import type { Host } from '../host.ts';
import { formatBytes, formatTable } from '../terminal/format.ts';

export interface CachedModelReport extends Omit<CachedModel, 'files'> {
  /** Whether it is a whole pipeline that `--model` takes, and not a single network or file. */
  readonly isPipeline: boolean;
}

/** What lies in the cache that is shared with diffusers and transformers. */
export function cachedModels(env: Host['env']): CachedModelReport[] {
  return listCachedModels(env).map(({ files, ...model }) => ({
    ...model,
    isPipeline: files.includes('model_index.json'),
  }));
}

/** Weights that were added by hand. */
export function addedWeights(env: Host['env']): { name: string; dir: string }[] {
  return ADDED_NAMES.flatMap((name) => {
    const dir = findAdded(name, env);
    return dir === undefined ? [] : [{ name, dir }];
  });
}

/** Both as lines of text; empty where there are none. */
export function describeElsewhere(env: Host['env']): string {
  const models = cachedModels(env).map(({ id, commit, refs, bytes, isPipeline, dir }) => [
    refs.includes('main') ? id : `${id}@${refs[0] ?? commit}`,
    isPipeline ? 'pipeline' : 'no pipeline',
    formatBytes(bytes),
    dir,
  ]);
  const weights = addedWeights(env).map(({ name, dir }) => [name, dir]);
  return [
    ...(models.length > 0 ? [`\nin the cache of the Hub:\n${formatTable(models)}\n`] : []),
    ...(weights.length > 0 ? [`\nweights added by hand:\n${formatTable(weights)}\n`] : []),
    ...(models.length + weights.length > 0 ? ['\n'] : []),
  ].join('');
}
