/**
 * @file A flow model in one file: the transformer alone, or with its autoencoder and text encoders. Its networks are presented under
 * diffusers' names; nothing is copied but the last modulation.
 *
 * Reference: Stability-AI/sd3.5, sd3_infer.py; black-forest-labs/flux, src/flux/util.py; ComfyUI, comfy/supported_models.py
 */
import { places } from '#platform';
import { UserError } from '../../errors.ts';
import { partSource } from '../formats/part-source.ts';
import { below, type TensorFile, type WeightSource, weightSource } from '../formats/weight-source.ts';
import type { FlowModel, TextEncoderKind } from '../names/flow-models.ts';
import { inferVaeConfig } from '../names/infer-config.ts';
import { refuseAs } from '../names/known-files.ts';
import { partsByName } from '../names/transformer-naming.ts';
import { type Config, configured } from '../sources/read-config.ts';
import type { ModelComponent, ModelFolder, TokenizerPlace } from './model-folder.ts';
import type { SingleFileOptions } from './single-file-options.ts';
import { textEncodersIn } from './text-encoder-file.ts';
import { findVae } from './vae-file.ts';

/** Names that a file may have beside the transformer's without belonging to another network. */
const WHOLE_MODEL = /^(first_stage_model|vae|text_encoders|cond_stage_model|model_ema)\./;

interface FoundTransformer {
  readonly weights: WeightSource;
  /** Lines about tensors of no known use. */
  readonly notes: readonly string[];
}

function transformerIn(file: TensorFile, { naming, marks }: FlowModel, prefix: string): FoundTransformer {
  const tensors = below(file, prefix);
  const [own] = marks;
  const { path } = file;
  if (!tensors.has(own)) {
    // With the names of diffusers there is nothing to translate.
    return { weights: weightSource({ path, tensors }), notes: [] };
  }
  const partsOf = partsByName(naming, [...tensors.keys()]);
  const unknown = [...tensors.keys()].filter((name) => partsOf(name).length === 0 && !WHOLE_MODEL.test(name));
  const which =
    unknown.length > 1
      ? `and ${unknown.length - 1} more are not of this network and have`
      : 'is not of this network and has';
  return {
    weights: partSource({ path, tensors }, partsOf),
    notes: unknown.length === 0 ? [] : [`${path}: the tensor ${unknown[0].slice(0, 80)} ${which} no effect`],
  };
}

/** Kontext has the tensors of Flux dev; only its name and its metadata tell it. */
function refuseKontext({ path, metadata }: TensorFile): void {
  const texts = [places.basename(path), ...Object.values(metadata).filter((value) => value.length < 200)];
  if (texts.some((text) => /kontext/i.test(text))) {
    throw new UserError(
      `${path}: Flux Kontext, which edits pictures, is not supported; use Flux.1 dev or schnell`,
    );
  }
}

/** Folder names of the tokenizers, by those of the text encoders. */
export const tokenizerName = (encoder: string): string => encoder.replace('text_encoder', 'tokenizer');

/** What the second CLIP of Stable Diffusion 3 pads with: "!", with id 0. Reference: Stability-AI/sd3.5, other_impls.py (SDXLClipGTokenizer) */
export const PADDING: Readonly<Partial<Record<TextEncoderKind, Config>>> = { 'CLIP-G': { pad_token: '!' } };

/**
 * Presents a file of a flow model as if it were a model folder.
 *
 * @param flow which model it is, and what stands in front of its transformer's names
 * @throws UserError when the file holds something else, or another variant of the model
 */
export async function openFlowFile(
  file: TensorFile,
  path: string,
  { model, prefix }: { readonly model: FlowModel; readonly prefix: string },
  { config, predictionType }: SingleFileOptions = {},
): Promise<ModelFolder> {
  refuseAs('model', file);
  refuseKontext(file);
  if (file.metadata.format === 'gguf') {
    throw new UserError(
      `${file.path}: a GGUF file of a flow model, which is not supported; use its .safetensors file in bfloat16, float16 or 8-bit floats`,
    );
  }
  if (predictionType !== undefined) {
    throw new UserError(
      `${file.path}: a flow model predicts its velocity, got the prediction type ${predictionType}; leave it out`,
    );
  }
  const dir = places.resolve(path);
  const components = new Map<string, ModelComponent>();
  async function add(
    name: string,
    weights: WeightSource,
    inferred: () => Config,
    notes: readonly string[] = [],
  ) {
    const settings = await configured(config, `${name}/config.json`, inferred);
    components.set(name, { name, dir, config: settings, weights, ...(notes.length === 0 ? {} : { notes }) });
    return settings;
  }
  const { weights, notes } = transformerIn(file, model, prefix);
  const transformer = await add('transformer', weights, () => model.inferConfig(weights), notes);
  const vae = findVae(file);
  if (vae !== undefined) await add('vae', vae, () => ({ ...inferVaeConfig(vae), ...model.vae }));
  const inside = textEncodersIn(file);
  const tokenizers = new Map<string, TokenizerPlace>();
  for (const [name, kind] of Object.entries(model.textEncoders)) {
    const encoder = inside.find((each) => each.kind === kind);
    if (encoder !== undefined) await add(name, encoder.weights, () => encoder.config);
    tokenizers.set(tokenizerName(name), {
      dir: places.join(config ?? places.dirname(dir), tokenizerName(name)),
      ...(PADDING[kind] === undefined ? {} : { config: PADDING[kind] }),
    });
  }
  return {
    dir,
    name: places.basename(path),
    modelIndex: { _class_name: model.pipeline },
    components,
    schedulerConfig: await configured(config, 'scheduler/scheduler_config.json', () =>
      model.scheduler(transformer),
    ),
    tokenizers,
  };
}
