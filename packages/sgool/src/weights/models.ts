/** @file Where models are found: the embedded one by its name, others by their folder or their name on the Hub. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { findSnapshot, modelPath } from './hub/cache.ts';
import { type Environment, hubCacheDir } from './hub/environment.ts';
import { parseModelId } from './hub/model-id.ts';

export interface ModelLocation {
  /** Name as users write it: `toybox`, or the path. */
  name: string;
  /** Folder in the diffusers layout, or a single file. */
  dir: string;
}

/** Name of the model that comes with the project and is used when none is named. */
export const DEFAULT_MODEL = 'toybox';

/** Named models: the package that carries each, with its weights in the folder `weights`. */
const PACKAGES: Readonly<Record<string, string>> = { toybox: '@sgool/toybox' };

function packageWeights(packageName: string): string | undefined {
  try {
    // Resolved from here, so that it is found wherever the package manager has put it.
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    return join(dirname(manifest), 'weights');
  } catch {
    return undefined;
  }
}

const isModelFolder = (dir: string) => existsSync(join(dir, 'model_index.json'));

/** The named models that are installed. */
export function listModels(): ModelLocation[] {
  return Object.entries(PACKAGES).flatMap(([name, packageName]) => {
    const dir = packageWeights(packageName);
    return dir !== undefined && isModelFolder(dir) ? [{ name, dir }] : [];
  });
}

/**
 * Finds a model by its name, its folder, or its name on the Hub (`org/name`, `org/name@revision`), if it was pulled. Asks no
 * network.
 *
 * @param env says where the Hub's cache is
 * @throws UserError that lists the valid names when it is none of these
 */
export function resolveModel(
  nameOrPath: string = DEFAULT_MODEL,
  env: Environment = process.env,
): ModelLocation {
  const packageName = Object.hasOwn(PACKAGES, nameOrPath) ? PACKAGES[nameOrPath] : undefined;
  if (packageName !== undefined) {
    const dir = packageWeights(packageName);
    if (dir === undefined)
      throw new UserError(`model: ${nameOrPath} needs the package ${packageName}; install it`);
    if (!isModelFolder(dir))
      throw new UserError(`model: ${nameOrPath} has no weights yet, expected them in ${dir}`);
    return { name: nameOrPath, dir };
  }
  if (existsSync(nameOrPath)) return { name: nameOrPath, dir: resolve(nameOrPath) };
  if (/\.(ckpt|safetensors|pth?|bin)$/i.test(nameOrPath)) {
    throw new UserError(`model: the file ${nameOrPath} does not exist`);
  }
  const onHub = parseModelId(nameOrPath);
  if (onHub !== undefined) {
    const found = findSnapshot(onHub.id, onHub.revision, env);
    if (found !== undefined) return { name: nameOrPath, dir: modelPath(found) };
    throw new UserError(
      `model: ${nameOrPath} is neither a folder nor in the cache ${hubCacheDir(env)}; fetch it with: sgool models pull ${nameOrPath}`,
    );
  }
  const names = Object.keys(PACKAGES).join(', ');
  throw new UserError(
    `model: unknown, got ${nameOrPath}; choose one of ${names}, the path of a folder in the diffusers layout or of a .ckpt or .safetensors file, or org/name for a model of the Hub`,
  );
}
