/**
 * @file Options about the model that several commands share: which model, what it computes on, where its parts come from. A
 * single file or a plain Stable Diffusion folder lacks some parts (the CLIP that guides, a tokenizer); others replace parts
 * (an autoencoder) or change weights (LoRAs).
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Option } from 'commander';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { MOTION_NORMS, type MotionNorm } from '../../networks/motion/motion-module.ts';
import type { LoadOptions } from '../../pipeline/load-pipeline.ts';
import type { PromptFileOptions } from '../../pipeline/prompt-files.ts';
import { commonShape } from '../../request/request.ts';
import {
  DEVICE_NAMES,
  type DeviceName,
  PRECISION_NAMES,
  type PrecisionName,
} from '../../runtime/compute-names.ts';
import { DEFAULT_MODEL } from '../../weights/open/locate-model.ts';
import type { LoraChoice } from '../../weights/open/lora.ts';
import { loraStrength } from '../../weights/open/lora-strength.ts';
import type { Host } from '../host.ts';
import { quoteArgument } from '../terminal/format.ts';
import { fromCommandLine, usageError } from '../usage-error.ts';
import {
  type CliOption,
  type OptionValues,
  schemaOption,
  toCommander,
  typedValues,
  variableOf,
  withDefault,
} from './option.ts';

/** Where the parts of a model come from, as texts. */
export interface ModelParts {
  clip?: string;
  tokenizer?: string;
  textEncoders?: string;
  vae?: string;
  adapter?: string;
  motion?: string;
  motionNorm?: MotionNorm;
  contextFrames?: number;
  contextStride?: number;
  lora?: string;
  loraDir?: string;
  embedding?: string;
  embeddingsDir?: string;
  modelConfig?: string;
  variant?: string;
  prediction?: 'epsilon' | 'v_prediction';
  ema?: boolean;
  memory?: 'auto' | 'plenty' | 'low';
  deviceOptions?: string;
}

/** What a model is opened with. */
export interface ModelValues extends ModelParts {
  model?: string;
  device?: DeviceName;
  precision?: PrecisionName;
}

const place = 'a folder, a file, or org/name of a pulled model';

const PART_SCHEMAS = {
  clip: z.string().min(1).describe(`CLIP that guides and scores: ${place}`),
  tokenizer: z
    .string()
    .min(1)
    .describe(
      'tokenizer: a folder with tokenizer.json, vocab.json or spiece.model, or org/name of a pulled model; models with a CLIP and a T5 take two, separated by commas',
    ),
  textEncoders: z
    .string()
    .min(1)
    .describe(
      'text encoders of Stable Diffusion 3 or Flux that the model file lacks: files or folders, separated by commas: clip_l.safetensors,t5xxl_fp16.safetensors',
    ),
  vae: z.string().min(1).describe(`another autoencoder: ${place}`),
  adapter: z.string().min(1).describe('adapter that sgool finetune made of this model: a .safetensors file'),
  motion: z
    .string()
    .min(1)
    .describe(`motion adapter (AnimateDiff), with which the model makes clips: ${place}`),
  motionNorm: z
    .enum(MOTION_NORMS)
    .describe(
      'what motion modules standardise: all frames of a clip together (joint), as diffusers, or each by itself (frame), as AnimateDiff',
    ),
  contextFrames: z
    .number()
    .int()
    .min(2)
    .describe(
      'frames of the windows in which clips are seen that are longer than the motion adapter sees at once',
    ),
  contextStride: z.number().int().min(1).describe('frames from one of these windows to the next'),
  lora: z
    .string()
    .min(1)
    .describe(
      'LoRA, LyCORIS or PEFT files or folders with optional weights, separated by commas: style.safetensors:0.8,adapter/; text encoder and UNet apart: file:0.8:0.5; by block: file:0.8:lbw=OUTD, or 17 or 26 numbers',
    ),
  loraDir: z
    .string()
    .min(1)
    .describe('folder with LoRA files that the prompt may name, as in <lora:style:0.8>'),
  embedding: z
    .string()
    .min(1)
    .describe(
      'textual inversion files or folders of diffusers, each with the word that the prompt names it by if it is not its own, separated by commas: cat-toy.bin,style.pt=oldpaint',
    ),
  embeddingsDir: z
    .string()
    .min(1)
    .describe(
      'folder with textual inversion files: a word of a prompt that is the name of one stands for it',
    ),
  modelConfig: z
    .string()
    .min(1)
    .describe('folder with config.json files, for a single-file model with an unusual architecture'),
  variant: z.string().min(1).describe('variant of the weight files in a folder, for instance fp16'),
  prediction: z
    .enum(['epsilon', 'v_prediction'])
    .describe('prediction type of a single-file model, if it is detected wrongly'),
  memory: z
    .enum(['auto', 'plenty', 'low'])
    .describe(
      'memory budget: auto, plenty (faster for large images) or low (less memory, a third more time)',
    ),
  deviceOptions: z
    .string()
    .min(1)
    .describe('options of the device, separated by commas: preferredLayout=NCHW; sgool devices lists them'),
  ema: z.boolean().describe('use the moving average of the weights, if a file has both'),
} satisfies Record<keyof ModelParts, z.ZodType>;

/** Schemas by key. */
export const MODEL_SCHEMAS = {
  model: commonShape.model.unwrap(),
  device: z.enum(DEVICE_NAMES).describe('device to compute on'),
  precision: z.enum(PRECISION_NAMES).describe('precision of the networks'),
  ...PART_SCHEMAS,
} satisfies Record<keyof ModelValues, z.ZodType>;

const PART_KEYS = Object.keys(PART_SCHEMAS) as readonly (keyof ModelParts)[];

const MAIN = 'Options:';
const PARTS = 'Parts of the model:';

const DIFFERENCES: Readonly<Partial<Record<keyof ModelValues, Partial<CliOption>>>> = {
  model: { argument: 'name' },
  clip: { argument: 'place' },
  tokenizer: { argument: 'places', isList: true },
  textEncoders: { argument: 'places', isList: true },
  vae: { argument: 'place' },
  adapter: { argument: 'file' },
  motion: { argument: 'place' },
  lora: { argument: 'files', isList: true },
  loraDir: { argument: 'folder' },
  embedding: { argument: 'files', isList: true },
  embeddingsDir: { argument: 'folder' },
  modelConfig: { argument: 'folder' },
  deviceOptions: { argument: 'name=value' },
  ema: { negated: true, description: 'do not use the moving average of the weights, if a file has both' },
};

const DEFAULTS: Readonly<Partial<Record<keyof ModelValues, string>>> = {
  model: DEFAULT_MODEL,
  device: DEVICE_NAMES[0],
  precision: PRECISION_NAMES[0],
  memory: 'auto',
  motionNorm: MOTION_NORMS[0],
  contextStride: '4',
};

function modelOption(key: keyof ModelValues, group: string): CliOption {
  const option = schemaOption(key, MODEL_SCHEMAS[key], group, DIFFERENCES[key]);
  const value = DEFAULTS[key];
  return value === undefined ? option : withDefault(option, value);
}

/** `--model`. */
export const MODEL_OPTION: CliOption = modelOption('model', MAIN);
/** `--device` and `--precision`. */
export const COMPUTE_OPTIONS: readonly CliOption[] = (['device', 'precision'] as const).map((key) =>
  modelOption(key, MAIN),
);
/** Options about the parts. */
export const PART_OPTIONS: readonly CliOption[] = PART_KEYS.map((key) => modelOption(key, PARTS));

/** A number, and perhaps what else is said of the LoRA behind it. */
const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*(?=:|$)/;

/** The items of a list of LoRAs: the commas between weights of blocks divide nothing. */
function loraItems(text: string): string[] {
  const items: string[] = [];
  for (const part of text.split(',')) {
    const last = items.at(-1);
    if (last !== undefined && NUMBER.test(part) && /:(lbw|w)=[^:]*$/.test(last)) {
      items[items.length - 1] = `${last},${part}`;
    } else items.push(part);
  }
  return items;
}

/** A file and what is said of it. A drive's colon on Windows has neither a number nor a name= behind it. */
const LORA_ITEM = /^\s*(.*?)((?::\s*(?:[-+]?(?:\d+\.?\d*|\.\d+)|[A-Za-z]\w*=[^:]*))*)\s*$/;
/** A file and its word. */
const EMBEDDING_ITEM = /^\s*(.*?)\s*(?:=\s*([^=]*?)\s*)?$/;

/** `file`, `file:0.8`, or `file:0.8:0.5:lbw=IND`, several with commas. */
function parseLoras(text: string): LoraChoice[] {
  return loraItems(text).map((item) => {
    const [, path, rest = ''] = LORA_ITEM.exec(item) ?? [];
    if (!path) {
      throw usageError(
        `--lora: not usable, got ${text}; give file or file:weight, several separated by commas`,
      );
    }
    const values = rest === '' ? [] : rest.slice(1).split(':');
    return { path, ...fromCommandLine(() => loraStrength(values, `--lora: ${item.trim()}`)) };
  });
}

/** `file` or `file=word`, several with commas. */
function parseEmbeddings(text: string) {
  return text.split(',').map((item) => {
    const [, path, name] = EMBEDDING_ITEM.exec(item) ?? [];
    if (!path || name === '') {
      throw usageError(
        `--embedding: not usable, got ${text}; give file or file=word, several separated by commas`,
      );
    }
    return name === undefined ? { path } : { path, name };
  });
}

/** `name=value`, several with commas. */
function parseDeviceOptions(text: string): Record<string, string> {
  const pairs = text.split(',').map((item) => {
    const [, name, value] = /^\s*(\w+)\s*=\s*(\w+)\s*$/.exec(item) ?? [];
    if (name !== undefined) return [name, value] as const;
    throw usageError(
      `--device-options: not usable, got ${text}; give name=value, several separated by commas`,
    );
  });
  const twice = pairs.find(([name], i) => pairs.findIndex(([other]) => other === name) < i);
  if (twice === undefined) return Object.fromEntries(pairs);
  throw usageError(`--device-options: ${twice[0]} is given twice; give it once`);
}

/** Places separated by commas. */
const placesOf = (text: string): string[] => text.split(',').map((place) => place.trim());

/** The parts among other values, without those that are not given. */
export function partsOf(values: ModelParts): ModelParts {
  return Object.fromEntries(
    PART_KEYS.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])),
  );
}

/** The parts as options of the command line, as they are typed. */
export function typedParts(values: ModelParts): string[] {
  return Object.entries(partsOf(values)).map(([key, value]) => {
    const { flag } = modelOption(key as keyof ModelParts, PARTS);
    if (typeof value === 'boolean') return value ? `--${flag}` : `--no-${flag}`;
    return `--${flag} ${quoteArgument(String(value))}`;
  });
}

/** The parts with their places from the root on where they are files of this folder; names of the Hub stay as they are. */
export function locatedParts(values: ModelParts, { cwd }: Pick<Host, 'cwd'>): ModelParts {
  const parts = partsOf(values);
  const located = (place: string) => {
    const path = resolve(cwd, place.trim());
    return existsSync(path) ? path : place.trim();
  };
  const loraAt = (item: string) => {
    const [, path = '', rest = ''] = LORA_ITEM.exec(item) ?? [];
    return located(path) + rest;
  };
  const embeddingAt = (item: string) => {
    const [, path = '', name] = EMBEDDING_ITEM.exec(item) ?? [];
    return located(path) + (name === undefined ? '' : `=${name}`);
  };
  const keys = ['clip', 'vae', 'adapter', 'motion', 'modelConfig', 'tokenizer', 'textEncoders'] as const;
  const lists: readonly (readonly [keyof ModelParts, readonly string[], (item: string) => string])[] = [
    ...keys.map((key) => [key, parts[key]?.split(',') ?? [], located] as const),
    ['lora', loraItems(parts.lora ?? ''), loraAt],
    ['embedding', parts.embedding?.split(',') ?? [], embeddingAt],
  ];
  const placed = lists.flatMap(([key, items, at]) =>
    parts[key] === undefined ? [] : [[key, items.map(at).join(',')]],
  );
  return { ...parts, ...Object.fromEntries(placed) };
}

/** The vocabulary of scorers that bring none: the first tokenizer that is given. */
export function scorerTokenizer({ tokenizer }: ModelParts): { readonly tokenizer?: string } {
  return tokenizer === undefined ? {} : { tokenizer: placesOf(tokenizer)[0] };
}

/**
 * The parts that came with a job of a queue.
 *
 * @throws UserError where they are those of a newer version
 */
export function checkedParts(given: unknown): ModelParts {
  const read = z.strictObject(PART_SCHEMAS).partial().safeParse(given);
  if (read.success) return read.data as ModelParts;
  throw new UserError(
    `parts of the model: not known here, got ${JSON.stringify(given)}; use the version of sgool that began the evaluation`,
  );
}

/** The values without those about parts. */
export function withoutParts<T extends ModelParts>(values: T): Omit<T, keyof ModelParts> {
  const rest = { ...values };
  for (const key of PART_KEYS) delete rest[key];
  return rest;
}

/** The options for `loadPipeline`. @throws UserError where the list of LoRAs cannot be read */
export function loadOptionsOf(values: ModelValues): LoadOptions & PromptFileOptions {
  const { device = DEVICE_NAMES[0], precision = PRECISION_NAMES[0] } = values;
  const { lora, embedding, tokenizer, textEncoders, modelConfig, prediction, deviceOptions, ...same } =
    partsOf(values);
  return {
    ...same,
    ...(lora === undefined ? {} : { loras: parseLoras(lora) }),
    ...(embedding === undefined ? {} : { embeddings: parseEmbeddings(embedding) }),
    ...(tokenizer === undefined ? {} : { tokenizer: placesOf(tokenizer) }),
    ...(textEncoders === undefined ? {} : { textEncoders: placesOf(textEncoders) }),
    ...(modelConfig === undefined ? {} : { config: modelConfig }),
    ...(prediction === undefined ? {} : { predictionType: prediction }),
    ...(deviceOptions === undefined ? {} : { deviceOptions: parseDeviceOptions(deviceOptions) }),
    device,
    precision,
  };
}

/** Parts that prompts name: for commands that make images of prompts in a syntax. */
const NAMED_IN_PROMPTS = ['loraDir', 'embeddingsDir'] as const;

/** What every command may say of the model that it opens. */
export type SharedKey = Exclude<keyof ModelValues, (typeof NAMED_IN_PROMPTS)[number]>;

/** All of these keys: the model, what it computes on, and where its parts come from. */
export const SHARED_KEYS = (Object.keys(MODEL_SCHEMAS) as (keyof ModelValues)[]).filter(
  (key): key is SharedKey => !(NAMED_IN_PROMPTS as readonly string[]).includes(key),
);

/** What those commands read: a model is always named. */
export type SharedValues = ModelValues & { readonly model: string };

/** The keys of a command, without those that it has another option for, or no use. */
const keysBut = (without: readonly SharedKey[]) => SHARED_KEYS.filter((key) => !without.includes(key));

const isPart = (key: string) => Object.hasOwn(PART_SCHEMAS, key);

/**
 * Options for Commander of commands that open a model, and read the command line and the environment alone.
 *
 * @param without what the command does not have, which its tests name with the reason
 */
export function sharedOptions(without: readonly SharedKey[] = []): Option[] {
  return keysBut(without).flatMap((key) => toCommander(modelOption(key, isPart(key) ? PARTS : MAIN)));
}

/**
 * The values of shared options: command line before environment before default.
 *
 * @param without as `sharedOptions` has it
 * @throws UserError where a variable is not usable
 */
export function sharedValues(
  flags: OptionValues,
  { env }: Host,
  without: readonly SharedKey[] = [],
): SharedValues {
  const options = keysBut(without).map((key) => modelOption(key, MAIN));
  const ofVariables = options.map((option) => {
    const variable = variableOf(option);
    const text = env[variable];
    return text ? option.parse(text, variable) : {};
  });
  return Object.assign({ model: DEFAULT_MODEL }, ...ofVariables, typedValues(flags, options));
}
