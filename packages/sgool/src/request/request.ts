/**
 * @file A request: a part that all methods share, and the settings of its method. It names a prompt and, beside it, only what
 * should differ from the defaults of the method and the model (`resolve.ts`).
 */
import { z } from 'zod';
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import { readSeed, SEED_RULE, type Seed } from '../random/seed.ts';
import type { Settings } from './settings/index.ts';
import type { SettingsShape } from './settings/shape.ts';

export const PRESETS = ['model', 'fast', 'paper', 'reno'] as const;
export type Preset = (typeof PRESETS)[number];

/** Longest prompt, in characters; some eight thousand words. */
const MAX_PROMPT = 50_000;

/** A prompt. */
export const promptText = z.string().max(MAX_PROMPT, `must have at most ${MAX_PROMPT} characters`);

/** The part of a request that all methods share; `method` itself is a name from the table of methods. */
export const commonShape = {
  prompt: promptText.describe('what the image should show'),
  allowEmpty: z
    .boolean()
    .describe('allow an empty prompt: an image of whatever the model makes without a text')
    .optional(),
  negativePrompt: promptText.describe('what the image should not show').default(''),
  model: z
    .string()
    .min(1)
    .describe(
      'model: a name, a folder in the diffusers layout, a .ckpt or .safetensors file, or org/name of a pulled model',
    )
    .default('toybox'),
  seed: z
    .custom<Seed | string>((value) => readSeed(value) !== undefined, SEED_RULE)
    .transform((value): Seed => readSeed(value) ?? -1)
    .describe('seed of the starting noise, up to 2^64 - 1; -1 draws one and reports it')
    .default(-1),
  preset: z
    .enum(PRESETS)
    .describe(
      "where the defaults come from: tuned for the model (model), for few network evaluations (fast), as published (paper), or ReNO's mixture of scorers and its steps, for models of one to four steps (reno)",
    )
    .default('model'),
};

export const imageSchema = z.object({
  width: z.int().min(1),
  height: z.int().min(1),
  // Not z.instanceof, whose type leaves out arrays over shared memory, and with them `Image`.
  data: z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'must be a Uint8Array'),
});

/** An image that CLIP compares the result with, and its weight beside the other ones and the text. */
export interface TargetImage {
  readonly image: Image;
  /** Above 0, up to 1000. Default 1. */
  readonly weight?: number;
}

/** Weight of a target image. */
export const targetWeight = z.number().gt(0, 'must be above 0').max(1000);

/** Images that a method may take beside its settings. */
export const INPUTS = {
  mask: imageSchema.describe('RGB image whose brightness is the saliency map (saliency model mask)'),
  targetImages: z
    .array(z.strictObject({ image: imageSchema, weight: targetWeight.optional() }))
    .min(1)
    .max(64)
    .describe(
      'images that CLIP compares the result with, each with its weight beside the others and the text',
    ),
};
/** @inline */
export type Inputs = { readonly mask?: Image; readonly targetImages?: readonly TargetImage[] };

/** What the parsing of a request must know of a method. */
export interface MethodSchema {
  readonly name: string;
  /** Schemas of its settings. */
  readonly settings: SettingsShape;
  /** Images that it takes beside its settings. */
  readonly inputs?: Readonly<Partial<typeof INPUTS>>;
  /** Whether its options are those of the methods that it is made of, which own them. */
  readonly isComposed?: boolean;
}

/**
 * The part of a request that all methods share.
 *
 * @interface
 */
export type CommonRequest = z.input<z.ZodObject<typeof commonShape>>;

/** A request to one method, as callers write it: only the prompt is needed. */
export type MethodRequest = CommonRequest & Partial<Settings> & Inputs;

/** A request that passed the schema of its method, defaults of the common part included. */
export type ParsedRequest<Name extends string = string> = z.output<z.ZodObject<typeof commonShape>> &
  Partial<Settings> &
  Inputs & { readonly method: Name };

/** Whether a method has a setting or takes an image of this name. */
export function hasOption({ settings, inputs }: MethodSchema, key: string): boolean {
  return Object.hasOwn(settings, key) || Object.hasOwn(inputs ?? {}, key);
}

/** `sd`, `sd and doodl`, `sd, doodl and sgool`. */
export function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** `sgool has it`, for the methods that have an option; undefined if none has. */
function ownersOf(key: string, methods: readonly MethodSchema[]): string | undefined {
  const having = methods.filter((method) => hasOption(method, key));
  const single = having.filter(({ isComposed }) => !isComposed);
  const owners = (single.length > 0 ? single : having).map(({ name }) => name);
  if (owners.length === 0) return undefined;
  return `${listOf(owners)} ${owners.length === 1 ? 'has' : 'have'} it`;
}

/**
 * One line about an option that others have: `method sd has no such option; sgool has it`. Undefined if no method has it.
 *
 * @param who does not have it
 */
export function noSuchOption(who: string, key: string, methods: readonly MethodSchema[]): string | undefined {
  const owners = ownersOf(key, methods);
  return owners && `${who} has no such option; ${owners}`;
}

/**
 * Checks a request.
 *
 * @param methods all methods
 * @param methodOf the method that a request means
 * @throws UserError in one line: which key is wrong, its value, and what would be right; for a setting that the method does not
 *   have, the methods that have it
 */
export function parseRequest(
  request: unknown,
  methods: readonly MethodSchema[],
  methodOf: (request: Readonly<Record<PropertyKey, unknown>>) => unknown,
): ParsedRequest {
  const named = methodOf(isRecord(request) ? request : {});
  const method = methods.find(({ name }) => name === named);
  if (method) return parseMethodRequest(request, method, methods);
  const names = methods.map(({ name }) => name).join(', ');
  throw new UserError(`request: method is not usable, got ${shown(named)}; choose one of ${names}`);
}

/**
 * Checks a request to a given method; a method that the request names is passed over.
 *
 * @throws UserError as {@link parseRequest} does
 */
export function parseMethodRequest(
  request: unknown,
  method: MethodSchema,
  methods: readonly MethodSchema[],
): ParsedRequest {
  const { name } = method;
  const schema = z.strictObject({
    ...commonShape,
    method: z.literal(name),
    ...z.object({ ...method.inputs, ...method.settings }).partial().shape,
  });
  const input = isRecord(request) ? { ...request, method: name } : request;
  const describeKey = (key: string) => noSuchOption(`method ${name}`, key, methods);
  const parsed = checkRequest(schema, 'request', input, describeKey) as ParsedRequest;
  const { textWeight = 1, targetImages } = parsed;
  if (textWeight !== 1 && targetImages === undefined) {
    throw new UserError(
      `request: textWeight ${textWeight} weighs the text beside target images, and there are none; give targetImages`,
    );
  }
  return parsed;
}

/**
 * Checks a request against its schema.
 *
 * @param who names it in messages
 * @param foreign what to say of a key that the schema does not have, if there is more to say than that it is unknown
 * @throws UserError as {@link parseRequest} does
 */
export function checkRequest<Schema extends z.ZodObject>(
  schema: Schema,
  who: string,
  request: unknown,
  foreign: (key: string) => string | undefined,
): z.output<Schema> {
  const result = schema.safeParse(request);
  if (result.success) {
    const { prompt, allowEmpty } = result.data as { prompt?: string; allowEmpty?: boolean };
    if (prompt?.trim() !== '' || allowEmpty) return result.data;
    throw new UserError(
      `${who}: prompt is not usable, got ${shown(prompt)}; must not be empty, unless allowEmpty is true`,
    );
  }
  const [issue] = result.error.issues;
  const place = issue.path.join('.');
  if (issue.code === 'unrecognized_keys' && place !== '') {
    throw new UserError(`${who}: ${place} has no key ${issue.keys.join(', ')}; leave it out`);
  }
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const message = foreign(key);
      if (message !== undefined) throw new UserError(`${who}: ${key}: ${message}`);
    }
    const known = Object.keys(schema.shape).join(', ');
    throw new UserError(`${who}: unknown key ${issue.keys.join(', ')}; choose from ${known}`);
  }
  const got = issue.path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), request);
  const wanted =
    issue.code === 'invalid_value' ? `choose one of ${issue.values.join(', ')}` : lowerFirst(issue.message);
  throw new UserError(`${who}: ${place || 'it'} is not usable, got ${shown(got)}; ${wanted}`);
}

const isRecord = (value: unknown): value is Record<PropertyKey, unknown> =>
  typeof value === 'object' && value !== null;
const shown = (value: unknown) =>
  value === undefined
    ? 'nothing'
    : typeof value === 'bigint'
      ? String(value)
      : (JSON.stringify(value) ?? String(value)).slice(0, 80);
const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
