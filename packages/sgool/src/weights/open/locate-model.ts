/** @file Where models are found: the embedded one by its name, others by their folder or their name on the Hub. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { findSnapshot, modelPath } from '../hub/cache.ts';
import { type Environment, hubCacheDir } from '../hub/environment.ts';
import { parseModelId } from '../hub/model-id.ts';

export interface ModelLocation {
  /** Name as users write it: `toybox`, or the path. */
  name: string;
  /** Folder in the diffusers layout, or a single file. */
  dir: string;
}

/** Name of the model that comes with the project and is used when none is named. */
export const DEFAULT_MODEL = 'toybox';

/** Package that carries the named models, each in a folder of its name, and the judge. */
const MODELS_PACKAGE = '@sgool/toybox-models';

const PACKAGED = [DEFAULT_MODEL] as const;

/**
 * A file or folder of the package that carries the named models.
 *
 * @returns undefined where the package is not installed
 */
export function packagedPath(...parts: readonly string[]): string | undefined {
  try {
    // Resolved from here, so that it is found wherever the package manager has put it.
    const manifest = createRequire(import.meta.url).resolve(`${MODELS_PACKAGE}/package.json`);
    return join(dirname(manifest), ...parts);
  } catch {
    return undefined;
  }
}

const isModelFolder = (dir: string) => existsSync(join(dir, 'model_index.json'));

/** The named models that are installed. */
export function listModels(): ModelLocation[] {
  return PACKAGED.flatMap((name) => {
    const dir = packagedPath(name);
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
  if (PACKAGED.some((name) => name === nameOrPath)) {
    const dir = packagedPath(nameOrPath);
    if (dir === undefined)
      throw new UserError(`model: ${nameOrPath} needs the package ${MODELS_PACKAGE}; install it`);
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
  const names = PACKAGED.join(', ');
  throw new UserError(
    `model: unknown, got ${nameOrPath}; choose one of ${names}, the path of a folder in the diffusers layout or of a .ckpt or .safetensors file, or org/name for a model of the Hub`,
  );
}
