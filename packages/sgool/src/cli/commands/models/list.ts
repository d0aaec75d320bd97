/** @file `sgool models list`: models and weights on this machine. */
import type { Command } from 'commander';
import { type CachedModel, listCachedModels } from '../../../weights/hub/cache.ts';
import { ADDED_NAMES, findAdded } from '../../../weights/open/added.ts';
import { listModels } from '../../../weights/open/locate-model.ts';
import { openModelFolder } from '../../../weights/open/model-folder.ts';
import type { Host } from '../../host.ts';
import { formatBytes, formatCount, formatTable } from '../../terminal/format.ts';
import { inspectModel, withoutTensors } from './report.ts';

export function configureList(parent: Command, host: Host): void {
  parent
    .command('list')
    .description(
      'list the models on this machine: installed, pulled from the Hub, and weights added with sgool models add',
    )
    .option('--json', 'print one JSON object on stdout')
    .action(({ json = false }: { json?: boolean }) => list(json, host));
}

async function list(json: boolean, { stdout, env }: Host): Promise<void> {
  const reports = await Promise.all(
    listModels().map(async ({ name, dir }) => inspectModel(name, await openModelFolder(dir))),
  );
  if (json) {
    const elsewhere = { hub: cachedModels(env), added: addedWeights(env) };
    stdout.write(`${JSON.stringify({ models: reports.map(withoutTensors), ...elsewhere })}\n`);
    return;
  }
  const rows = reports.map(({ name, resolution, parameters, bytes, dir }) => [
    name,
    resolution === undefined ? '' : `${resolution.width}x${resolution.height}`,
    `${formatCount(parameters)} parameters`,
    formatBytes(bytes),
    dir,
  ]);
  stdout.write(rows.length > 0 ? `${formatTable(rows)}\n` : '');
  stdout.write(describeElsewhere(env));
  stdout.write('--model also takes any folder in the diffusers layout\n');
}

interface CachedModelReport extends Omit<CachedModel, 'files'> {
  /** Whether it is a whole pipeline that `--model` takes, and not a single network or file. */
  readonly isPipeline: boolean;
}

/** The models in the cache that is shared with diffusers and transformers. */
function cachedModels(env: Host['env']): CachedModelReport[] {
  return listCachedModels(env).map(({ files, ...model }) => ({
    ...model,
    isPipeline: files.includes('model_index.json'),
  }));
}

/** Weights that were added with `sgool models add`. */
function addedWeights(env: Host['env']): { name: string; dir: string }[] {
  return ADDED_NAMES.flatMap((name) => {
    const dir = findAdded(name, env);
    return dir === undefined ? [] : [{ name, dir }];
  });
}

/** Both as lines of text; empty where there are none. */
function describeElsewhere(env: Host['env']): string {
  const models = cachedModels(env).map(({ id, commit, refs, bytes, isPipeline, dir }) => [
    refs.includes('main') ? id : `${id}@${refs[0] ?? commit}`,
    isPipeline ? 'pipeline' : 'no pipeline',
    formatBytes(bytes),
    dir,
  ]);
  const weights = addedWeights(env).map(({ name, dir }) => [name, dir]);
  return [
    ...(models.length > 0 ? [`\nin the cache of the Hub:\n${formatTable(models)}\n`] : []),
    ...(weights.length > 0 ? [`\nweights added with sgool models add:\n${formatTable(weights)}\n`] : []),
    ...(models.length + weights.length > 0 ? ['\n'] : []),
  ].join('');
}
