/** @file Opening a model in any supported form, with parts from elsewhere. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import type { Environment } from '../hub/environment.ts';
import { flowModelOf } from '../names/flow-models.ts';
import { inferVaeConfig } from '../names/infer-config.ts';
import { isMotionName } from '../names/motion.ts';
import { type Config, configured, readConfig } from '../sources/read-config.ts';
import { applyAdapter, openAdapter } from './adapter.ts';
import { applyLora } from './apply-lora.ts';
import { checkWhole } from './check-whole.ts';
import { openClipFile } from './clip-file.ts';
import { withTextEncoders } from './given-text-encoders.ts';
import { findTokenizers } from './given-tokenizers.ts';
import { type LoraChoice, openLora } from './lora.ts';
import {
  type ModelComponent,
  type ModelFolder,
  type OpenModelOptions as OpenFolderOptions,
  openComponent,
  openModelFolder,
} from './model-folder.ts';
import {
  MOTION_ADAPTER,
  type MotionAdapter,
  openMotionAdapter,
  withMotionModules,
} from './motion-adapter.ts';
import { located, partIn } from './place.ts';
import { openSingleFile } from './single-file.ts';
import type { SingleFileOptions } from './single-file-options.ts';
import { type EmbeddingChoice, embeddingNote, openEmbeddings } from './textual-inversion.ts';
import { vaeSource } from './vae-file.ts';

/** Where the parts of a model are. Each is a folder, a file where that makes sense, or the name of a pulled model of the Hub. */
export interface OpenModelOptions extends OpenFolderOptions, Omit<SingleFileOptions, 'vae'> {
  /**
   * Folders with `tokenizer.json`, `vocab.json` and `merges.txt`, or `spiece.model`, or model folders with folders `tokenizer`,
   * `tokenizer_2`, `tokenizer_3`. Models with a CLIP and a T5 need one for each.
   */
  readonly tokenizer?: string | readonly string[];
  /**
   * Text encoders of a flow model that its file lacks, or that replace its own: files such as `clip_l`, `clip_g` and `t5xxl`, or folders.
   * Which is which is seen from their names and shapes.
   */
  readonly textEncoders?: readonly string[];
  /** The CLIP that guides: a CLIPModel's folder, or a file of OpenAI, OpenCLIP, HPS or transformers. */
  readonly clip?: string;
  /** An autoencoder that replaces the model's own: its folder, or a file with LDM's or diffusers' names. */
  readonly vae?: string;
  /** What a fine-tuning of this model changed: a file that `sgool finetune` wrote. Applied before LoRAs. */
  readonly adapter?: string;
  /** A motion adapter (AnimateDiff), with which the model makes clips: its folder, a file, or the name of a pulled one. */
  readonly motion?: string;
  /** LoRAs for the UNet and the text encoder, applied in order. */
  readonly loras?: readonly LoraChoice[];
  /** Embeddings (textual inversion): words of the prompt that files bring. */
  readonly embeddings?: readonly EmbeddingChoice[];
  /** Variables that say where the Hub's cache is; `process.env` unless given. */
  readonly env?: Environment;
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
    return { ...(await openComponent(await partIn(path, 'clip'), { role: 'clip' })), name: 'clip' };
  const found = await openClipFile(path);
  const stated = config === undefined ? undefined : places.join(config, 'clip', 'config.json');
  const isStated = stated !== undefined && (await files.exists(stated));
  return isStated
    ? { ...found, name: 'clip', config: await readConfig(stated), notes: [] }
    : { ...found, name: 'clip' };
}

/** Opens an autoencoder as the part of a model. @throws UserError when there is none, or it is broken */
export async function openVae(nameOrPath: string, env?: Environment): Promise<ModelComponent> {
  const path = located(nameOrPath, env);
  if (!(await files.isFile(path)))
    return { ...(await openComponent(await partIn(path, 'vae'), { role: 'vae' })), name: 'vae' };
  const weights = vaeSource(await openTensorFile(path));
  return { name: 'vae', dir: path, config: inferVaeConfig(weights), weights };
}

/** The components with an autoencoder from elsewhere. @throws UserError where it has other latents than the model's own */
async function withVae(
  components: ReadonlyMap<string, ModelComponent>,
  { modelIndex }: ModelFolder,
  place: string,
  { config, env }: Pick<OpenModelOptions, 'config' | 'env'>,
): Promise<Map<string, ModelComponent>> {
  const vae = await openVae(place, env);
  const own = components.get('vae')?.config;
  const [has, needs] = [vae.config.latent_channels, own?.latent_channels];
  if (needs !== undefined && has !== undefined && has !== needs) {
    throw new UserError(
      `${place}: an autoencoder with ${has} latent channels; this model needs one with ${needs}`,
    );
  }
  if (!(await files.isFile(located(place, env)))) return new Map(components).set('vae', vae);
  // A file has no configuration of its own; that of the model is more exact than what is inferred from shapes.
  const inferred = () => ({ ...vae.config, ...flowModelOf(modelIndex)?.vae });
  const settings = own ?? (await configured(config, 'vae/config.json', inferred));
  return new Map(components).set('vae', { ...vae, config: settings });
}

/**
 * The networks of a model with the motion modules of the adapter that was given, else of the one in its folder. A UNet that has modules of
 * its own keeps them unless an adapter was given.
 */
async function addMotion(
  { components, dir }: Pick<ModelFolder, 'components' | 'dir'>,
  { motion, env }: OpenModelOptions,
): Promise<{ components: Map<string, ModelComponent>; schedulerConfig?: Config }> {
  const result = new Map(components);
  const unet = components.get('unet');
  if (unet === undefined && motion !== undefined) {
    throw new UserError(
      `${motion}: a motion adapter needs a UNet of Stable Diffusion 1.x, which ${dir} does not have`,
    );
  }
  const hasModules = unet?.weights.names().some(isMotionName);
  const adapter: MotionAdapter | undefined =
    motion === undefined ? components.get(MOTION_ADAPTER) : await openMotionAdapter(motion, env);
  if (unet === undefined || adapter === undefined || (hasModules && motion === undefined)) {
    result.delete(MOTION_ADAPTER);
    return { components: result };
  }
  result.set('unet', withMotionModules(unet, adapter)).set(MOTION_ADAPTER, adapter);
  const { schedulerConfig } = adapter;
  return { components: result, ...(schedulerConfig && { schedulerConfig }) };
}

/**
 * Opens a model: a folder in the diffusers layout, or a single file of Stable Diffusion or Flux, with tokenizers, text encoders, a CLIP
 * and an autoencoder from elsewhere where they are given.
 *
 * @throws UserError when a part is broken, or one that is required is missing
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
  const encoders = await withTextEncoders(model, options.textEncoders ?? [], { ...options, config });
  const moving = await addMotion({ components: encoders, dir: model.dir }, options);
  const motionSchedulerConfig = moving.schedulerConfig;
  let { components } = moving;
  if (options.adapter !== undefined) {
    components = await applyAdapter(components, await openAdapter(options.adapter));
  }
  for (const { path: file, ...strength } of options.loras ?? []) {
    components = applyLora(components, await openLora(file), strength);
  }
  if (options.clip !== undefined)
    components.set('clip', await openClip(options.clip, { ...options, config }));
  if (options.vae !== undefined)
    components = await withVae(components, model, options.vae, { ...options, config });
  const embeddings = await openEmbeddings(options.embeddings ?? []);
  if (embeddings.length > 0 && flowModelOf(model.modelIndex) !== undefined) {
    throw new UserError(
      `${embeddings[0].path}: embeddings (textual inversion) are for Stable Diffusion 1.x and 2.x; the text encoders of ${places.basename(path)} take none; leave it out`,
    );
  }
  const encoder = components.get('text_encoder');
  if (encoder !== undefined && embeddings.length > 0) {
    const notes = [...(encoder.notes ?? []), ...embeddings.map(embeddingNote)];
    components.set('text_encoder', { ...encoder, notes });
  }
  const { tokenizer, clip, textEncoders = [], env, required = [] } = options;
  const beside = [...textEncoders, ...(clip === undefined ? [] : [clip])];
  const opened: ModelFolder = {
    ...model,
    name: places.basename(path),
    components,
    ...(motionSchedulerConfig && { motionSchedulerConfig }),
    ...(embeddings.length === 0 ? {} : { embeddings }),
    tokenizers: await findTokenizers(model, { tokenizer, beside, env }),
  };
  await checkWhole(opened, required);
  return opened;
}
