/**
 * @file A model as a folder in the diffusers layout: `model_index.json`, one folder with `config.json` and weights per
 * network, a scheduler and a tokenizer.
 */

import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { openSharded } from '../formats/sharded.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { type WeightSource, weightSource } from '../formats/weight-source.ts';
import { type Config, readConfig } from '../sources/read-config.ts';

export { type Config, readConfig } from '../sources/read-config.ts';

/** One network of a model. */
export interface ModelComponent {
  /** Folder name, for instance `text_encoder`. */
  name: string;
  dir: string;
  config: Config;
  weights: WeightSource;
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
  /** Keys over those of the folder's `tokenizer_config.json`. */
  tokenizerConfig?: Config;
}

export interface OpenModelOptions {
  /** Networks that must be there. Default: `unet`, `vae`, `text_encoder`. */
  required?: readonly string[];
  /** Which weights to take, for instance `fp16`. Default: the plain file, else the `fp16` one. */
  variant?: string;
}

/** Networks of a pipeline that this project never runs. */
const IGNORED = new Set(['safety_checker', 'feature_extractor', 'image_encoder', 'scheduler', 'tokenizer']);

/** What diffusers and transformers call a network's weights, in the formats of which the first that is there is taken. */
const FORMATS = [
  { extension: 'safetensors', stems: ['diffusion_pytorch_model', 'model'] },
  { extension: 'bin', stems: ['diffusion_pytorch_model', 'pytorch_model'] },
] as const;

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whole file, or index of shards; both places of the variant in an index's name are in use. */
function namesOfWeights(suffix: string): string[] {
  return FORMATS.flatMap(({ extension, stems }) =>
    stems.flatMap((stem) => [
      `${stem}${suffix}.${extension}`,
      `${stem}.${extension}.index${suffix}.json`,
      `${stem}${suffix}.${extension}.index.json`,
    ]),
  );
}

/** The file to take: safetensors before what torch saved, full precision before half, unless a variant is asked for. */
async function findWeights(dir: string, variant: string | undefined): Promise<string | undefined> {
  const files = new Set(await readdir(dir));
  const suffixes = variant === undefined ? ['', '.fp16'] : [`.${variant}`];
  const candidates = suffixes.flatMap(namesOfWeights).filter((name) => files.has(name));
  const found = candidates.find((name) => name.includes('safetensors')) ?? candidates[0];
  return found === undefined ? undefined : join(dir, found);
}

/** Says what lies in the folder instead of the wanted file. */
async function explainMissingWeights(dir: string, variant: string | undefined): Promise<string> {
  const suffix = variant === undefined ? '' : `.${variant}`;
  const files = await readdir(dir);
  const found = files.filter((file) =>
    /\.(safetensors|bin|ckpt|pth?|msgpack|h5|onnx|index\.json)$/.test(file),
  );
  const instead = found.length > 0 ? `, got ${found.join(', ')}` : '';
  return `no weights; expected diffusion_pytorch_model${suffix}.safetensors or model${suffix}.safetensors (or .bin)${instead}`;
}

/**
 * Opens one network: `config.json` and `{diffusion_pytorch_model|model}[.variant].safetensors`, or the same as `.bin`, whole
 * or in shards.
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
  const found = await findWeights(dir, variant);
  if (found === undefined) throw new UserError(`${dir}: ${await explainMissingWeights(dir, variant)}`);
  const file = await (found.endsWith('.json') ? openSharded(found) : openTensorFile(found));
  return { name: basename(dir), dir, config, weights: weightSource(file) };
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
