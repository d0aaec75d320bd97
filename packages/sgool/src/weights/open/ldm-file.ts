/**
 * @file Stable Diffusion in one file, as the training code of latent diffusion (LDM) saved it: .ckpt or .safetensors, 1.x
 * and 2.x. Its networks are presented under diffusers' names; nothing is copied.
 *
 * Reference: CompVis/stable-diffusion, configs/stable-diffusion/v1-inference.yaml; Stability-AI/stablediffusion, configs
 */
import { files, places } from '#platform';
import { STABLE_DIFFUSION_SCHEDULER } from '../../diffusion/schedule.ts';
import { UserError } from '../../errors.ts';
import { mean } from '../../numbers.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { float32Of } from '../formats/tensor-views.ts';
import {
  below,
  dropPositionIds,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../formats/weight-source.ts';
import { inferTextConfig, inferUNetConfig, inferVaeConfig } from '../names/infer-config.ts';
import { refuseAs } from '../names/known-files.ts';
import { emaName, ldmUNetLayout, ldmUNetName } from '../names/ldm-unet.ts';
import { type Config, configured } from '../sources/read-config.ts';
import { openClipSource } from './clip-file.ts';
import type { ModelComponent, ModelFolder } from './model-folder.ts';
import type { Prediction, SingleFileOptions } from './single-file-options.ts';
import { ldmVaeSource } from './vae-file.ts';

const UNET = 'model.diffusion_model.';
const VAE = 'first_stage_model.';
/** CLIP's text tower with transformers' names (1.x) and OpenCLIP's (2.x); SD-Turbo's training code calls the place otherwise. */
const TEXT = ['cond_stage_model.transformer.', 'conditioner.embedders.0.transformer.'];
/** Where 2.x has it in files written with newer programs; SD-Turbo is the one that was published so. */
const TURBO_OPEN_CLIP = 'conditioner.embedders.0.model.';
const OPEN_CLIP = ['cond_stage_model.model.', TURBO_OPEN_CLIP];

/** The tensors of a network under its names; others are left out. */
function renamed(
  path: string,
  tensors: ReadonlyMap<string, WeightTensor>,
  rename: (name: string) => string | undefined,
): WeightSource {
  return weightSource({ path, tensors }, rename);
}

/** Refuses files that are not a whole Stable Diffusion 1 or 2, and says what they are. */
function refuseOthers(file: TensorFile, wantsVae: boolean): void {
  refuseAs('model', file);
  const names = [...file.tensors.keys()];
  const some = (pattern: RegExp) => names.some((name) => pattern.test(name));
  const refuse = (what: string) => {
    throw new UserError(`${file.path}: ${what}`);
  };
  if (!some(/^model\.diffusion_model\./))
    refuse('not a Stable Diffusion checkpoint: no tensor begins with model.diffusion_model.');
  const channels = file.tensors.get(`${UNET}input_blocks.0.0.weight`)?.shape[1];
  if (channels !== 4 && channels !== 9)
    refuse(`a model with ${channels ?? 'no'} input channels is not supported; 4 are, and 9 for inpainting`);
  if (wantsVae && !some(/^first_stage_model\./))
    refuse('it has no autoencoder (first_stage_model.); give one with the option vae');
  if (!some(/^(cond_stage_model|conditioner\.embedders\.0)\./))
    refuse('it has no text encoder (cond_stage_model.); give a whole checkpoint');
}

/** The UNet's tensors below its prefix: the EMA copies where they are complete and wanted. */
function unetTensors(file: TensorFile, ema: boolean): Map<string, WeightTensor> {
  const plain = below(file, UNET);
  const copies = [...plain.keys()].map((name) => [name, file.tensors.get(emaName(UNET + name))] as const);
  const complete = copies.every((entry): entry is readonly [string, WeightTensor] => entry[1] !== undefined);
  return ema && complete ? new Map(copies) : plain;
}

function unetSource(file: TensorFile, ema: boolean): WeightSource {
  const tensors = unetTensors(file, ema);
  const layout = ldmUNetLayout(tensors.keys());
  return renamed(file.path, tensors, (name) => ldmUNetName(name, layout));
}

/** CLIP's text tower: with the names of transformers in 1.x, those of OpenCLIP in 2.x, where the last layer is not used. */
function textEncoder(file: TensorFile): {
  weights: WeightSource;
  config: Config;
  second: boolean;
  turbo: boolean;
} {
  const prefix = OPEN_CLIP.find((each) => file.tensors.has(`${each}ln_final.weight`));
  const second = prefix !== undefined;
  if (!second) {
    const tensors = TEXT.map((each) => below(file, each)).find(({ size }) => size > 0);
    const weights = renamed(file.path, tensors ?? new Map(), dropPositionIds);
    const config = inferTextConfig(weights, 'quick_gelu');
    // stable-diffusion.cpp gives OpenCLIP's tower of 2.x these names, too.
    if (config.hidden_size !== OPEN_CLIP_WIDTH) return { weights, config, second, turbo: false };
    return { ...withoutLast(weights, OPEN_CLIP_LAYERS), second: true, turbo: false };
  }
  const turbo = prefix === TURBO_OPEN_CLIP;
  return { ...withoutLast(openClipSource(file, prefix)), second, turbo };
}

/** OpenCLIP's text tower of Stable Diffusion 2. */
const OPEN_CLIP_WIDTH = 1024;
const OPEN_CLIP_LAYERS = 24;

/**
 * OpenCLIP's tower without its last layer.
 *
 * @param whole the number of layers that a whole tower has; one with fewer has lost it already. Default: any is whole
 */
function withoutLast(all: WeightSource, whole?: number): { weights: WeightSource; config: Config } {
  const { num_hidden_layers: layers, ...config } = inferTextConfig(all, 'gelu');
  const last = (layers as number) - 1;
  if (whole !== undefined && layers !== whole) {
    return { weights: all, config: { ...config, num_hidden_layers: layers } };
  }
  const weights = weightSource(all, (name) => (name.includes(`.layers.${last}.`) ? undefined : name));
  return { weights, config: { ...config, num_hidden_layers: last } };
}

/** `parameterization` in the `.yaml` that is published with a checkpoint; its default is `eps`. */
async function predictionBeside(path: string): Promise<Prediction | undefined> {
  const beside = path.replace(/\.[^./\\]+$/, '.yaml');
  if (beside === path || !(await files.exists(beside))) return undefined;
  const text = await files.readText(beside, SIZE_LIMITS.config);
  const [, value] = /^\s*parameterization:\s*["']?(\w+)/m.exec(text) ?? [];
  return value === 'v' ? 'v_prediction' : 'epsilon';
}

function predictionInMetadata({ metadata }: TensorFile): Prediction | undefined {
  const value = metadata['modelspec.prediction_type'] ?? metadata.prediction_type;
  if (value === 'v' || value === 'v_prediction') return 'v_prediction';
  return value === 'epsilon' || value === 'eps' ? 'epsilon' : undefined;
}

/**
 * What a 2.x model predicts. The two kinds have the same names and shapes; a bias of the last attention varies
 * more in models that predict v.
 *
 * Reference: ComfyUI, comfy/supported_models.py (SD20.model_type), threshold 0.09 of the standard deviation
 */
function guessPrediction(
  unet: WeightSource,
  { up_block_types: blocks, layers_per_block: layers }: Config,
): Prediction {
  const block = Array.isArray(blocks) ? blocks.length - 1 : 0;
  const last = `up_blocks.${block}.attentions.${layers}.transformer_blocks.0.norm1.bias`;
  if (!unet.has(last)) return 'epsilon';
  const bias = float32Of(unet.get(last));
  const centre = mean(bias);
  const variance = mean(Array.from(bias, (value) => (value - centre) ** 2));
  return Math.sqrt(variance) > 0.09 ? 'v_prediction' : 'epsilon';
}

/** Scheduler keys of the published few-step models: latent consistency models and SD-Turbo. */
function fewStepScheduler({ time_cond_proj_dim }: Config, turbo: boolean): Config {
  if (time_cond_proj_dim) return { _class_name: 'LCMScheduler' };
  return turbo ? { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' } : {};
}

/**
 * Presents a checkpoint of Stable Diffusion 1.x or 2.x as if it were a model folder. It has no tokenizer and no
 * CLIP: that of `tokenizers` is a folder `tokenizer` beside the file, or in the folder of configurations.
 *
 * @throws UserError when the file is broken, or holds another model: XL, a LoRA, a single network
 */
export async function openLdmFile(
  file: TensorFile,
  path: string,
  { ema = true, predictionType, config, vae: otherVae }: SingleFileOptions = {},
): Promise<ModelFolder> {
  refuseOthers(file, otherVae === undefined);
  const unet = unetSource(file, ema);
  const vae = ldmVaeSource(file.path, below(file, VAE));
  const text = textEncoder(file);
  const unetConfig = await configured(config, 'unet/config.json', () => inferUNetConfig(unet));
  const stated = predictionType ?? (await predictionBeside(path)) ?? predictionInMetadata(file);
  const scheduler = await configured(config, 'scheduler/scheduler_config.json', () => ({
    ...STABLE_DIFFUSION_SCHEDULER,
    prediction_type: stated ?? (text.second && !text.turbo ? guessPrediction(unet, unetConfig) : 'epsilon'),
    ...fewStepScheduler(unetConfig, text.turbo),
  }));
  const schedule =
    predictionType === undefined ? scheduler : { ...scheduler, prediction_type: predictionType };
  const sampleSize = text.second && schedule.prediction_type === 'v_prediction' ? 96 : 64;
  const dir = places.resolve(path);
  const component = (name: string, settings: Config, weights: WeightSource): [string, ModelComponent] => [
    name,
    { name, dir, config: settings, weights },
  ];
  return {
    dir,
    name: places.basename(path),
    modelIndex: { _class_name: 'StableDiffusionPipeline' },
    components: new Map([
      component('unet', { sample_size: sampleSize, ...unetConfig }, unet),
      ...(vae.tensors.size === 0
        ? []
        : [component('vae', await configured(config, 'vae/config.json', () => inferVaeConfig(vae)), vae)]),
      component(
        'text_encoder',
        await configured(config, 'text_encoder/config.json', () => text.config),
        text.weights,
      ),
    ]),
    schedulerConfig: schedule,
    tokenizers: new Map([
      [
        'tokenizer',
        {
          dir: places.join(config ?? places.dirname(dir), 'tokenizer'),
          // OpenCLIP's own tokenizer pads with id 0, and the hidden states of the padding are part of the conditioning.
          ...(text.second ? { config: { pad_token: '!' } } : {}),
        },
      ],
    ]),
  };
}
