/** @file Finding models: the embedded ones by their names, others by their folder or by their name on the Hub. */

import { disk, host, places } from '#platform';
import { UserError } from '../../errors.ts';
import { findSnapshot, modelPath } from '../hub/cache.ts';
import { type Environment, hubCacheDir } from '../hub/environment.ts';
import { parseModelId } from '../hub/model-id.ts';

/** Where a model is. */
export interface ModelLocation {
  /** The name as users write it: `toybox`, `toybox-flow`, or the path. */
  name: string;
  /** A folder in the diffusers layout, or a single file; in a browser its URL. */
  dir: string;
}

/** The model that is used when none is named; it comes with sgool. */
export const DEFAULT_MODEL = 'toybox';

/** The motion adapter of clips where neither a model nor an adapter is named; it comes with sgool. */
export const DEFAULT_MOTION = 'toybox-motion';

/** Package that carries the named models, each in a folder of its name, and the judge. */
const MODELS_PACKAGE = '@sgool/toybox-models';

/** The default model, and toybox-flow, a rectified flow with the architecture of Stable Diffusion 3 (where its weights are installed). */
const PACKAGED = [DEFAULT_MODEL, 'toybox-flow'] as const;

/** Motion adapters of the package, over models of the package. */
const PACKAGED_ADAPTERS = [DEFAULT_MOTION] as const;

/**
 * A file or folder of the package that carries the named models.
 *
 * @returns undefined where the package is not installed; in a browser, where no import map has an entry for it
 */
export function packagedPath(...parts: readonly string[]): string | undefined {
  const folder = host.packageFolder(MODELS_PACKAGE);
  return folder === undefined ? undefined : places.join(folder, ...parts);
}

/** A browser cannot know without a request to the server; there, opening the model fails if it is none. */
const isModelFolder = (dir: string) =>
  host.kind === 'browser' || disk.exists(places.join(dir, 'model_index.json'));

/** The named models that are installed. */
export function listModels(): ModelLocation[] {
  return PACKAGED.flatMap((name) => {
    const dir = packagedPath(name);
    return dir !== undefined && isModelFolder(dir) ? [{ name, dir }] : [];
  });
}

/**
 * Finds a model by its name, its path, or its name on the Hub (`org/name`, `org/name@revision`) if it was pulled. Nothing is
 * requested from the network. In a browser a model is found by its name or by the URL of its folder.
 *
 * @param env says where the Hub's cache is; default `process.env`
 * @throws UserError that lists the valid names when there is no such model
 */
export function resolveModel(
  nameOrPath: string = DEFAULT_MODEL,
  env: Environment = host.environment,
): ModelLocation {
  if (PACKAGED.some((name) => name === nameOrPath))
    return { name: nameOrPath, dir: packagedModel(nameOrPath) };
  const place = host.locate(nameOrPath);
  if (place !== undefined) return { name: nameOrPath, dir: place };
  if (host.kind === 'browser') {
    throw new UserError(
      `model: unknown, got ${nameOrPath}; give the URL of a folder in the diffusers layout, such as ./models/toybox/`,
    );
  }
  if (/\.(ckpt|safetensors|pth?|bin|gguf)$/i.test(nameOrPath)) {
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
  const names = [...new Set([DEFAULT_MODEL, ...listModels().map(({ name }) => name)])].join(', ');
  throw new UserError(
    `model: unknown, got ${nameOrPath}; choose one of ${names}, the path of a folder in the diffusers layout or of a .ckpt, .safetensors or .gguf file, or org/name for a model of the Hub`,
  );
}

/**
 * Finds a motion adapter: one of the package by its name, any other as {@link resolveModel} finds models.
 *
 * @throws UserError where there is none
 */
export function resolveMotionAdapter(nameOrPath: string, env: Environment = host.environment): ModelLocation {
  if (PACKAGED_ADAPTERS.some((name) => name === nameOrPath)) {
    return { name: nameOrPath, dir: packagedFolder(nameOrPath) };
  }
  return resolveModel(nameOrPath, env);
}

function packagedFolder(name: string): string {
  const dir = packagedPath(name);
  if (dir !== undefined) return dir;
  throw new UserError(
    host.kind === 'browser'
      ? `model: ${name} is part of the package ${MODELS_PACKAGE}; give the URL of its folder, or an import map with an entry for ${MODELS_PACKAGE}/`
      : `model: ${name} needs the package ${MODELS_PACKAGE}; install it`,
  );
}

function packagedModel(name: string): string {
  const dir = packagedFolder(name);
  if (!isModelFolder(dir)) throw new UserError(`model: ${name} has no weights yet, expected them in ${dir}`);
  return dir;
}
