/** @file The facts about a model that its configurations and file headers hold; no weight is read. */
import { UserError } from '../../../errors.ts';
import { stableDiffusionSchedule } from '../../../models/stable-diffusion/schedule.ts';
import { weightBytes } from '../../../weights/formats/weight-source.ts';
import type { ModelComponent, ModelFolder } from '../../../weights/open/model-folder.ts';
import type { Config } from '../../../weights/sources/read-config.ts';

export interface ComponentReport {
  readonly name: string;
  /** The network's class, as diffusers and transformers call it. */
  readonly className?: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly dtypes: readonly string[];
  /** Its size in words, such as widths, layers and inputs. */
  readonly shape: string;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
  }[];
}

export interface ModelReport {
  readonly name: string;
  readonly dir: string;
  readonly pipeline?: string;
  /** Size of the images that the model was trained for, in pixels. */
  readonly resolution?: { readonly width: number; readonly height: number };
  /** `[channels, height, width]`. */
  readonly latent?: readonly number[];
  /** Channels of the UNet's input, where it takes more than the latent: 9 for inpainting. */
  readonly inputChannels?: number;
  /** What the network predicts: `epsilon` (the noise), `v_prediction`, `sample`. */
  readonly predictionType: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly components: readonly ComponentReport[];
  /** What of the model's files is assumed, or not used. */
  readonly notes: readonly string[];
}

/** Reads the facts about a model. */
export function inspectModel(name: string, folder: ModelFolder): ModelReport {
  const components = [...folder.components.values()].map(inspectComponent);
  const total = (key: 'parameters' | 'bytes') =>
    components.reduce((sum, component) => sum + component[key], 0);
  const className = text(folder.modelIndex._class_name);
  return {
    name,
    dir: folder.dir,
    ...(className === undefined ? {} : { pipeline: className }),
    ...imageSize(folder),
    predictionType: text(folder.schedulerConfig.prediction_type) ?? 'epsilon',
    parameters: total('parameters'),
    bytes: total('bytes'),
    components,
    notes: modelNotes(folder),
  };
}

/** What of a model's files is assumed, or not used, as the commands that open it say it. */
export function modelNotes(folder: ModelFolder): string[] {
  const own = [...folder.components.values()].flatMap(({ notes = [] }) => notes);
  if (!folder.components.has('unet')) return own;
  try {
    return [...(stableDiffusionSchedule(folder).notes ?? []), ...own];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [error.message, ...own];
  }
}

/** The report without the list of tensors: their number instead. */
export function withoutTensors({ components, ...rest }: ModelReport) {
  return {
    ...rest,
    components: components.map(({ tensors, ...component }) => ({ ...component, tensors: tensors.length })),
  };
}

function inspectComponent({ name, config, weights }: ModelComponent): ComponentReport {
  const tensors = [...weights.tensors].map(([tensor, { dtype, shape }]) => ({ name: tensor, dtype, shape }));
  const sizes = tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  const className = text(config._class_name) ?? (list(config.architectures)?.[0] as string | undefined);
  return {
    name,
    ...(className === undefined ? {} : { className }),
    parameters: sizes.reduce((sum, size) => sum + size, 0),
    bytes: weightBytes(weights.tensors),
    dtypes: [...new Set(tensors.map(({ dtype }) => dtype))].sort(),
    shape: shapeInWords(config),
    tensors,
  };
}

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
const whole = (value: unknown) => (Number.isSafeInteger(value) ? (value as number) : undefined);
const list = (value: unknown) =>
  Array.isArray(value) && value.length > 0 ? (value as unknown[]) : undefined;

/** A side, or height and width. */
function sides(value: unknown): [height: number, width: number] | undefined {
  const side = whole(value);
  if (side !== undefined) return [side, side];
  const [height, width] = list(value)?.map(whole) ?? [];
  return height === undefined || width === undefined ? undefined : [height, width];
}

/** From the latent that the UNet was trained for and the number of halvings in the autoencoder. */
function imageSize({
  components,
}: ModelFolder): Pick<ModelReport, 'resolution' | 'latent' | 'inputChannels'> {
  const unet = components.get('unet')?.config ?? {};
  const blocks = list(components.get('vae')?.config.block_out_channels);
  const size = sides(unet.sample_size);
  const inputs = whole(unet.in_channels);
  const channels = whole(components.get('vae')?.config.latent_channels) ?? inputs;
  if (size === undefined || blocks === undefined || channels === undefined) return {};
  const [height, width] = size;
  const scale = 2 ** (blocks.length - 1);
  return {
    resolution: { width: width * scale, height: height * scale },
    latent: [channels, height, width],
    ...(inputs === undefined || inputs === channels ? {} : { inputChannels: inputs }),
  };
}

/** Keys of configurations that say how large a network is, and their words. */
const SIZE_KEYS: readonly (readonly [key: string, words: (value: string) => string])[] = [
  ['block_out_channels', (value) => `widths ${value}`],
  ['layers_per_block', (value) => `${value} layers a block`],
  ['hidden_size', (value) => `width ${value}`],
  ['num_hidden_layers', (value) => `${value} layers`],
  ['num_attention_heads', (value) => `${value} heads`],
  ['cross_attention_dim', (value) => `text width ${value}`],
  ['projection_dim', (value) => `projection ${value}`],
  ['max_position_embeddings', (value) => `${value} tokens`],
  ['vocab_size', (value) => `vocabulary ${value}`],
];

function shapeInWords(config: Config): string {
  return SIZE_KEYS.flatMap(([key, words]) => {
    const value = config[key];
    const shown = list(value)?.join('-') ?? whole(value)?.toString();
    return shown === undefined ? [] : [words(shown)];
  }).join(', ');
}
