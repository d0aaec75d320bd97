/** @file The facts about a model that its configurations and file headers hold; no weight is read. */
import type { ModelSummary } from '../../../models/backbone.ts';
import { familyOfOpened } from '../../../models/families.ts';
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

export interface ModelReport extends Partial<ModelSummary> {
  readonly name: string;
  readonly dir: string;
  readonly pipeline?: string;
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
    ...familyOfOpened(folder)?.summary(folder),
    parameters: total('parameters'),
    bytes: total('bytes'),
    components,
    notes: modelNotes(folder),
  };
}

/** What of a model's files is assumed, or not used, as the commands that open it say it. */
export function modelNotes(folder: ModelFolder): string[] {
  const own = [...folder.components.values()].flatMap(({ notes = [] }) => notes);
  return [...(familyOfOpened(folder)?.summary(folder).notes ?? []), ...own];
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
