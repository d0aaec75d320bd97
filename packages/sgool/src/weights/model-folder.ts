/**
 * @file A model as a folder in the diffusers layout: `model_index.json`, one folder with `config.json` and weights per
 * network, a scheduler and a tokenizer.
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { fileSystemReason } from './atomic-file.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';

/** A config file as it stands; networks read the keys that they know. */
export type Config = Readonly<Record<string, unknown>>;

/** One network of a model. */
export interface ModelComponent {
  /** Folder name, for instance `text_encoder`. */
  name: string;
  dir: string;
  config: Config;
  weights: SafetensorsFile;
}

export interface ModelFolder {
  dir: string;
  /** Last part of the path. */
  name: string;
  modelIndex: Config;
  /** Networks by folder name: `unet`, `vae`, `text_encoder`, and any other with `config.json` and weights. */
  components: ReadonlyMap<string, ModelComponent>;
  /** `scheduler/scheduler_config.json`, or an empty object when the folder has none. */
  schedulerConfig: Config;
  /** Folder with `vocab.json` and `merges.txt`. */
  tokenizerDir: string;
}

export interface OpenModelOptions {
  /** Networks that must be there. Default: `unet`, `vae`, `text_encoder`. */
  required?: readonly string[];
  /** Which weights to take, for instance `fp16`. Default: the plain file, else the `fp16` one. */
  variant?: string;
}

/** Networks of a pipeline that this project never runs. */
const IGNORED = new Set(['safety_checker', 'feature_extractor', 'image_encoder', 'scheduler', 'tokenizer']);

const STEMS = ['diffusion_pytorch_model', 'model'];

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws UserError when it is missing, unreadable, or no object
 */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'the file does not exist' : (fileSystemReason(error) ?? String(error));
    throw new UserError(`cannot read ${path}: ${reason}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`${path}: must hold a JSON object, got ${JSON.stringify(value).slice(0, 60)}`);
  }
  return value as Config;
}

async function findWeights(dir: string, variant: string | undefined): Promise<string | undefined> {
  const suffixes = variant === undefined ? ['', '.fp16'] : [`.${variant}`];
  for (const suffix of suffixes) {
    for (const stem of STEMS) {
      const path = join(dir, `${stem}${suffix}.safetensors`);
      if (await exists(path)) return path;
    }
  }
  return undefined;
}

/** Says what lies in the folder instead of the wanted file. */
async function explainMissingWeights(dir: string, variant: string | undefined): Promise<string> {
  const wanted = `model${variant === undefined ? '' : `.${variant}`}.safetensors`;
  const files = await readdir(dir);
  const found = files.filter((file) => /\.(safetensors|bin|index\.json)$/.test(file));
  if (found.some((file) => file.endsWith('.index.json')))
    return 'its weights are split into shards; join them first';
  const instead = found.length > 0 ? `, got ${found.join(', ')}` : '';
  return `no weights; expected diffusion_pytorch_model.safetensors or ${wanted}${instead}`;
}

/**
 * Opens one network: `config.json` and `{diffusion_pytorch_model|model}[.variant].safetensors`.
 *
 * @param dir the network's own folder
 * @throws UserError when a file is missing or broken
 */
export async function openComponent(
  dir: string,
  { variant }: { variant?: string } = {},
): Promise<ModelComponent> {
  if (!(await exists(dir))) throw new UserError(`model folder: ${dir} does not exist`);
  const config = await readConfig(join(dir, 'config.json'));
  const weights = await findWeights(dir, variant);
  if (weights === undefined) throw new UserError(`${dir}: ${await explainMissingWeights(dir, variant)}`);
  return { name: basename(dir), dir, config, weights: await openSafetensors(weights) };
}

async function openComponents(
  dir: string,
  { required, variant }: Required<Pick<OpenModelOptions, 'required'>> & OpenModelOptions,
) {
  const components = new Map<string, ModelComponent>();
  for (const name of required) components.set(name, await openComponent(join(dir, name), { variant }));
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (components.has(entry.name) || IGNORED.has(entry.name)) continue;
    if (!(await exists(join(path, 'config.json'))) || (await findWeights(path, undefined)) === undefined)
      continue;
    components.set(entry.name, await openComponent(path));
  }
  return components;
}

/**
 * Opens a model folder. Headers of all weights are checked; no weight is read.
 *
 * @throws UserError when the folder or one of its required parts is missing or broken
 */
export async function openModelFolder(
  path: string,
  { required = ['unet', 'vae', 'text_encoder'], variant }: OpenModelOptions = {},
): Promise<ModelFolder> {
  const dir = resolve(path);
  if (!(await stat(dir).catch(() => undefined))?.isDirectory()) {
    throw new UserError(`model folder: ${path} is no folder; give a folder in the diffusers layout`);
  }
  if (!(await exists(join(dir, 'model_index.json')))) {
    throw new UserError(
      `model folder: ${path} has no model_index.json; give a folder in the diffusers layout`,
    );
  }
  const modelIndex = await readConfig(join(dir, 'model_index.json'));
  const components = await openComponents(dir, { required, variant });
  const schedulerPath = join(dir, 'scheduler', 'scheduler_config.json');
  const schedulerConfig = (await exists(schedulerPath)) ? await readConfig(schedulerPath) : {};
  return {
    dir,
    name: basename(dir),
    modelIndex,
    components,
    schedulerConfig,
    tokenizerDir: join(dir, 'tokenizer'),
  };
}
