/** @file Opening a model in any supported form, with parts from elsewhere. */
import { files, host, places } from '#platform';
import { UserError } from '../../errors.ts';
import { hasTokenizer } from '../../text/tokenizer-files.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import {
  renameVaeAttention,
  type TensorFile,
  type WeightSource,
  weightSource,
} from '../formats/weight-source.ts';
import type { Environment } from '../hub/environment.ts';
import { inferVaeConfig } from '../names/infer-config.ts';
import { refuseAs } from '../names/known-files.ts';
import { readConfig } from '../sources/read-config.ts';
import { applyAdapter, openAdapter } from './adapter.ts';
import { openClipFile } from './clip-file.ts';
import { resolveModel } from './locate-model.ts';
import { applyLora, type LoraChoice, openLora } from './lora.ts';
import {
  type ModelComponent,
  type ModelFolder,
  type OpenModelOptions as OpenFolderOptions,
  openComponent,
  openModelFolder,
} from './model-folder.ts';
import { ldmVaeSource, openSingleFile, type SingleFileOptions } from './single-file.ts';
import { type EmbeddingChoice, embeddingNote, openEmbeddings } from './textual-inversion.ts';

/** Where the parts of a model are. Each is a folder, a file where that makes sense, or the name of a pulled model of the Hub. */
export interface OpenModelOptions extends OpenFolderOptions, Omit<SingleFileOptions, 'vae'> {
  /** Folder with `tokenizer.json`, or `vocab.json` and `merges.txt`, or a model folder with a folder `tokenizer`. */
  readonly tokenizer?: string;
  /** The CLIP that guides: a CLIPModel's folder, or a file of OpenAI, OpenCLIP, HPS or transformers. */
  readonly clip?: string;
  /** An autoencoder that replaces the model's own: its folder, or a file with LDM's or diffusers' names. */
  readonly vae?: string;
  /** What a fine-tuning of this model changed: a file that `sgool finetune` wrote. Applied before LoRAs. */
  readonly adapter?: string;
  /** LoRAs for the UNet and the text encoder, applied in order. */
  readonly loras?: readonly LoraChoice[];
  /** Embeddings (textual inversion): words of the prompt that files bring. */
  readonly embeddings?: readonly EmbeddingChoice[];
  /** Variables that say where the Hub's cache is; `process.env` unless given. */
  readonly env?: Environment;
}

/** A path, or the place of a model that is known by its name. */
const located = (nameOrPath: string, env?: Environment): string =>
  host.locate(nameOrPath) === undefined ? resolveModel(nameOrPath, env).dir : nameOrPath;

/** The folder itself, or, where it is a whole model, the folder of the part inside it. */
async function partOf(dir: string, part: string): Promise<string> {
  return (await files.exists(places.join(dir, 'config.json'))) ? dir : places.join(dir, part);
}

/**
 * Opens a CLIP as the part of a model: a folder in the layout of transformers, a model folder with `clip/` in it, or one
 * file.
 *
 * @param config folder of configurations; its `clip/config.json` replaces what is inferred from the shapes in a file
 * @throws UserError when there is none, or it is broken
 */
export async function openClip(
  nameOrPath: string,
  { env, config }: Pick<OpenModelOptions, 'env' | 'config'> = {},
): Promise<ModelComponent> {
  const path = located(nameOrPath, env);
  if (!(await files.isFile(path)))
    return { ...(await openComponent(await partOf(path, 'clip'), { role: 'clip' })), name: 'clip' };
  const found = await openClipFile(path);
  const stated = config === undefined ? undefined : places.join(config, 'clip', 'config.json');
  const isStated = stated !== undefined && (await files.exists(stated));
  return isStated
    ? { ...found, name: 'clip', config: await readConfig(stated), notes: [] }
    : { ...found, name: 'clip' };
}

function vaeSource(file: TensorFile): WeightSource {
  refuseAs('vae', file);
  const prefix = 'first_stage_model.';
  const names = [...file.tensors.keys()];
  const own = names.some((name) => name.startsWith(prefix))
    ? new Map(
        [...file.tensors].flatMap(([name, x]) =>
          name.startsWith(prefix) ? [[name.slice(prefix.length), x]] : [],
        ),
      )
    : file.tensors;
  if (own.has('encoder.down.0.block.0.conv1.weight')) return ldmVaeSource(file.path, own);
  if (own.has('encoder.down_blocks.0.resnets.0.conv1.weight')) return weightSource(file, renameVaeAttention);
  throw new UserError(`${file.path}: not an autoencoder: no tensor encoder.down.0.block.0.conv1.weight`);
}

/** Opens an autoencoder as the part of a model. @throws UserError when there is none, or it is broken */
export async function openVae(nameOrPath: string, env?: Environment): Promise<ModelComponent> {
  const path = located(nameOrPath, env);
  if (!(await files.isFile(path)))
    return { ...(await openComponent(await partOf(path, 'vae'), { role: 'vae' })), name: 'vae' };
  const weights = vaeSource(await openTensorFile(path));
  return { name: 'vae', dir: path, config: inferVaeConfig(weights), weights };
}

/** The folder with the tokenizer of a model or CLIP: the folder itself, or `tokenizer` inside it. */
async function tokenizerIn(nameOrPath: string, env?: Environment): Promise<string | undefined> {
  const path = located(nameOrPath, env);
  if (await hasTokenizer(path)) return path;
  const inside = places.join(path, 'tokenizer');
  return (await hasTokenizer(inside)) ? inside : undefined;
}

/** The tokenizer that was given, else the model's own, else that of the CLIP that was given. */
async function findTokenizer(
  model: ModelFolder,
  { tokenizer, clip, env }: OpenModelOptions,
): Promise<string> {
  if (tokenizer !== undefined) {
    const found = await tokenizerIn(tokenizer, env);
    if (found !== undefined) return found;
    throw new UserError(
      `tokenizer: ${tokenizer} has neither tokenizer.json nor vocab.json; give a folder with tokenizer.json, or vocab.json and merges.txt, of a CLIP`,
    );
  }
  if (clip === undefined || (await hasTokenizer(model.tokenizerDir))) return model.tokenizerDir;
  return (await tokenizerIn(clip, env)) ?? model.tokenizerDir;
}

/**
 * Opens a model: a folder in the diffusers layout, or a single .ckpt or .safetensors file of Stable Diffusion 1.x or 2.x, with
 * a tokenizer, CLIP and autoencoder from elsewhere where they are given.
 *
 * @throws UserError when a part is missing or broken
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<ModelFolder> {
  const config = options.config === undefined ? undefined : located(options.config, options.env);
  if (config !== undefined && !(await files.isFolder(config))) {
    throw new UserError(
      `model config: ${config} is no folder; give a folder in the diffusers layout, of which only configurations are read`,
    );
  }
  const model = (await files.isFile(path))
    ? await openSingleFile(path, { ...options, config })
    : await openModelFolder(path, options);
  let components = new Map(model.components);
  if (options.adapter !== undefined) {
    components = await applyAdapter(components, await openAdapter(options.adapter));
  }
  for (const { path: file, ...strength } of options.loras ?? []) {
    components = applyLora(components, await openLora(file), strength);
  }
  if (options.clip !== undefined)
    components.set('clip', await openClip(options.clip, { ...options, config }));
  if (options.vae !== undefined) {
    const vae = await openVae(options.vae, options.env);
    // A file has no configuration of its own; that of the model is more exact than what is inferred from shapes.
    const isOneFile = await files.isFile(located(options.vae, options.env));
    const own = isOneFile ? components.get('vae') : undefined;
    components.set('vae', { ...vae, config: own?.config ?? vae.config });
  }
  const embeddings = await openEmbeddings(options.embeddings ?? []);
  const encoder = components.get('text_encoder');
  if (encoder !== undefined && embeddings.length > 0) {
    const notes = [...(encoder.notes ?? []), ...embeddings.map(embeddingNote)];
    components.set('text_encoder', { ...encoder, notes });
  }
  return {
    ...model,
    name: places.basename(path),
    components,
    ...(embeddings.length === 0 ? {} : { embeddings }),
    tokenizerDir: await findTokenizer(model, options),
  };
}
