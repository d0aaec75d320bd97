/**
 * @file A model as a folder in the diffusers layout: `model_index.json`, one folder with `config.json` and weights per
 * network, a scheduler and a tokenizer.
 */

import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { openSharded } from '../formats/sharded.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { type WeightSource, weightSource } from '../formats/weight-source.ts';
import { EXTRA_NETWORKS } from '../names/extra-networks.ts';
import { refuseConfig, refusePipeline, unknownKeys } from '../names/known-configs.ts';
import { refuseAs } from '../names/known-files.ts';
import { type Config, readConfig } from '../sources/read-config.ts';
import { sharedNetworks } from './model-hints.ts';
import type { TextEmbedding } from './textual-inversion.ts';

/** One network of a model. */
export interface ModelComponent {
  /** Folder name, for instance `text_encoder`. */
  name: string;
  dir: string;
  config: Config;
  weights: WeightSource;
  /** Lines for the user about what the files do not say and was assumed. */
  notes?: readonly string[];
}

/** Where the files of a tokenizer are. Nothing says that they are there. */
export interface TokenizerPlace {
  readonly dir: string;
  /** Keys that override those of the folder's `tokenizer_config.json`. */
  readonly config?: Config;
}

/** An opened model. */
export interface ModelFolder {
  dir: string;
  /** Last part of the path. */
  name: string;
  modelIndex: Config;
  /** Networks by folder name: `unet`, `vae`, `text_encoder`, and any other with `config.json` and weights. */
  components: ReadonlyMap<string, ModelComponent>;
  /** `scheduler/scheduler_config.json`, or an empty object when the folder has none. */
  schedulerConfig: Config;
  /** Where its tokenizers are, by folder name: `tokenizer`, and for more text encoders `tokenizer_2`, `tokenizer_3`. */
  tokenizers: ReadonlyMap<string, TokenizerPlace>;
  /** How the motion adapter was trained, where its own folder says it. */
  motionSchedulerConfig?: Config;
  /** Words that files of embeddings bring; none where no such file was given. */
  embeddings?: readonly TextEmbedding[];
}

/** How a model folder is opened. */
export interface OpenModelOptions {
  /** Networks that must be there. Default: of a folder `vae`, `text_encoder` and what denoises, `transformer` if the index names one, else `unet`. */
  required?: readonly string[];
  /** Variant of the weights, for instance `fp16`. Default: the plain file, else the `fp16` one. */
  variant?: string;
}

/** Parts of a pipeline that sgool never runs. */
const IGNORED = new Set(['safety_checker', 'feature_extractor', 'image_encoder', 'scheduler', 'tokenizer']);

/** File names of weights in diffusers and transformers, by format. */
const FORMATS = [
  { extension: 'safetensors', stems: ['diffusion_pytorch_model', 'model'] },
  { extension: 'bin', stems: ['diffusion_pytorch_model', 'pytorch_model'] },
] as const;

/** Names of the whole file and of the index of shards; both positions of the variant in an index's name are in use. */
function namesOfWeights(suffix: string): string[] {
  return FORMATS.flatMap(({ extension, stems }) =>
    stems.flatMap((stem) => [
      `${stem}${suffix}.${extension}`,
      `${stem}.${extension}.index${suffix}.json`,
      `${stem}${suffix}.${extension}.index.json`,
    ]),
  );
}

/** Names of weights in order of preference: safetensors before what torch saved, full precision before half. */
function preferredNames(variant: string | undefined): string[] {
  const suffixes = variant === undefined ? ['', '.fp16'] : [`.${variant}`];
  const names = suffixes.flatMap(namesOfWeights);
  const isSafe = (name: string) => name.includes('safetensors');
  return [...names.filter(isSafe), ...names.filter((name) => !isSafe(name))];
}

/** The file to take, or undefined where the folder has no weights. */
async function findWeights(dir: string, variant: string | undefined): Promise<string | undefined> {
  const names = preferredNames(variant);
  const listed = await files.list(dir);
  if (listed !== undefined) {
    const found = names.find((name) => listed.includes(name));
    return found === undefined ? undefined : places.join(dir, found);
  }
  for (const name of names) {
    const path = places.join(dir, name);
    if (await files.exists(path)) return path;
  }
  return undefined;
}

/** Says which files the folder has instead of the expected one. */
async function explainMissingWeights(dir: string, variant: string | undefined): Promise<string> {
  const suffix = variant === undefined ? '' : `.${variant}`;
  const found = ((await files.list(dir)) ?? []).filter((file) =>
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
  { variant, role = places.basename(dir) }: { variant?: string; role?: string } = {},
): Promise<ModelComponent> {
  if (!(await files.isFolder(dir))) {
    const what = (await files.isFile(dir))
      ? 'is a file; a folder with config.json is expected'
      : 'does not exist';
    throw new UserError(`model folder: ${dir} ${what}`);
  }
  const configPath = places.join(dir, 'config.json');
  const config = await readConfig(configPath);
  refuseConfig(role, configPath, config);
  const found = await findWeights(dir, variant);
  if (found === undefined) throw new UserError(`${dir}: ${await explainMissingWeights(dir, variant)}`);
  const file = await (found.endsWith('.json') ? openSharded(found) : openTensorFile(found));
  // A second or third network of a kind: clip_b, text_encoder_2.
  const kind = role.replace(/_(b|c|\d)$/, '');
  const door = DOORS.find((each) => each === kind);
  if (door !== undefined) refuseAs(door, file);
  const notes = unknownKeys(role, configPath, config);
  return {
    name: places.basename(dir),
    dir,
    config,
    weights: weightSource(file),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** Networks whose files are looked at for what they are. */
const DOORS = ['unet', 'transformer', 'vae', 'text_encoder', 'clip'] as const;

/** What a folder is that is no model, for a message. */
async function explainFolder(dir: string): Promise<string> {
  const inside = (await files.list(dir)) ?? [];
  const has = (name: string) => inside.includes(name);
  if (has('adapter_config.json') || has('pytorch_lora_weights.safetensors')) {
    return 'it is that of a LoRA; give the model itself, and this folder as a LoRA';
  }
  const weights = inside.filter((name) => /\.(safetensors|ckpt|gguf)$/i.test(name));
  if (has('config.json')) {
    return 'it is that of a single network; give the folder of the whole model, with model_index.json';
  }
  if (weights.length > 0) return `give one of its files: ${weights.slice(0, 3).join(', ')}`;
  return 'give a folder in the diffusers layout';
}

async function openComponents(
  dir: string,
  entries: readonly string[],
  { required, variant }: Required<Pick<OpenModelOptions, 'required'>> & OpenModelOptions,
) {
  const components = new Map<string, ModelComponent>();
  for (const name of required) components.set(name, await openComponent(places.join(dir, name), { variant }));
  for (const name of entries) {
    if (components.has(name) || IGNORED.has(name) || name.startsWith('_')) continue;
    const path = places.join(dir, name);
    if (!(await files.exists(places.join(path, 'config.json')))) continue;
    if ((await findWeights(path, undefined)) === undefined) continue;
    components.set(name, await openComponent(path));
  }
  // A folder that was copied alone has no neighbours; then the model has none of these networks.
  for (const [name, path] of await sharedNetworks(dir)) {
    if (components.has(name) || !(await files.exists(places.join(path, 'config.json')))) continue;
    components.set(name, await openComponent(path));
  }
  return components;
}

/** `scheduler/scheduler_config.json` of a folder, or undefined where it has none. */
export async function schedulerConfigOf(dir: string): Promise<Config | undefined> {
  const path = places.join(dir, 'scheduler', 'scheduler_config.json');
  return (await files.exists(path)) ? readConfig(path) : undefined;
}

/**
 * Opens a model folder. The headers of all weights are checked; no weight is read.
 *
 * @param path a folder in the diffusers layout; in a browser its URL
 * @throws UserError when the folder or one of its required parts is missing or broken
 */
export async function openModelFolder(
  path: string,
  { required, variant }: OpenModelOptions = {},
): Promise<ModelFolder> {
  const dir = places.resolve(path);
  if (!(await files.isFolder(dir))) {
    throw new UserError(`model folder: ${path} is not a folder; give a folder in the diffusers layout`);
  }
  const indexPath = places.join(dir, 'model_index.json');
  if (!(await files.exists(indexPath))) {
    throw new UserError(`model folder: ${path} has no model_index.json; ${await explainFolder(dir)}`);
  }
  const modelIndex = await readConfig(indexPath);
  refusePipeline(indexPath, modelIndex);
  // Where a folder cannot be listed, the index names its networks, except for sgool's own.
  const entries = (await files.list(dir)) ?? [...Object.keys(modelIndex), ...EXTRA_NETWORKS];
  const denoiser = 'transformer' in modelIndex ? 'transformer' : 'unet';
  const needed = required ?? [denoiser, 'vae', 'text_encoder'];
  const components = await openComponents(dir, entries, { required: needed, variant });
  return {
    dir,
    name: places.basename(dir),
    modelIndex,
    components,
    schedulerConfig: (await schedulerConfigOf(dir)) ?? {},
    tokenizers: new Map(
      [...new Set(['tokenizer', ...entries.filter((entry) => /^tokenizer_\d$/.test(entry))])].map((entry) => [
        entry,
        { dir: places.join(dir, entry) },
      ]),
    ),
  };
}
