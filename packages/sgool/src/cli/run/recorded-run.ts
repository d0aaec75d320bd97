/** @file Reading how an image was made: from our own record in `run.json` or a PNG file, or from the text of other tools. */
import { basename, extname } from 'node:path';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { samplerOfA1111 } from '../../image/a1111-names.ts';
import { PARAMETERS_KEYWORD, parseParameters, SGOOL_KEYWORD } from '../../image/parameters.ts';
import { readPictureText } from '../../image/picture-text.ts';
import { DETAILING_METHOD } from '../../methods/detail/detail-request.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { VALUE_SCHEMAS, type Values } from '../options/image-options.ts';
import { checkValue } from '../options/option.ts';
import { hasADetailer, takeADetailer } from './adetailer-keys.ts';
import type { RecordedHashes } from './file-hashes.ts';
import { COMMAND_KINDS, type CommandKind, FINETUNE_KIND, type InputHashes } from './run-record.ts';

/** How an image was made. */
export interface RecordedRun {
  readonly prompt: string;
  /** The command that made it. */
  readonly kind: CommandKind;
  /** Values of options. */
  readonly values: Values;
  /** Path or name of the image that it began with. */
  readonly image?: string;
  /** SHA-256 of the images that it was given. */
  readonly inputHashes: InputHashes;
  /** What names its weights. */
  readonly weightHashes: RecordedHashes;
  /** The iteration that the image shows; a `run.json` is of all. */
  readonly iteration?: number;
  /** Version of sgool; none where another tool made it. */
  readonly version?: string;
  /** What cannot be repeated, one line each. */
  readonly notes: readonly string[];
}

/**
 * Reads the record of an image.
 *
 * @param path of a PNG file or of a `run.json`
 * @throws UserError where the file has none
 */
export async function readRecordedRun(path: string): Promise<RecordedRun> {
  const file = await files.readBytes(path, SIZE_LIMITS.picture);
  if (file[0] === '{'.charCodeAt(0)) return ownRun(parseRecord(new TextDecoder().decode(file), path), path);
  const texts = readPictureText(file);
  const { [SGOOL_KEYWORD]: own, [PARAMETERS_KEYWORD]: parameters } = texts;
  if (own !== undefined) return ownRun(parseRecord(own, path), path);
  if (parameters !== undefined) return foreignRun(parameters, path);
  const others = Object.keys(texts);
  const holds =
    others.length === 0
      ? 'it is no run.json, and no PNG or WebP file with texts'
      : `its texts are ${others.join(', ')}`;
  throw new UserError(
    `${path}: does not say how it was made: ${holds}; needs a text ${SGOOL_KEYWORD} or ${PARAMETERS_KEYWORD}`,
  );
}

function parseRecord(text: string, path: string): Record<string, unknown> {
  const value = parseJsonObject(text, `${path}: its record`);
  if (isRecord(value.request)) return value;
  throw new UserError(`${path}: its record is not that of a run of sgool`);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);

/** The names and hashes of a list in our record. */
function namedHashes(list: unknown): { name: string; hash: string }[] {
  return (Array.isArray(list) ? list : []).flatMap((entry: unknown) => {
    if (!isRecord(entry)) return [];
    const [name, hash] = [textOf(entry.name), textOf(entry.hash)];
    return name === undefined || hash === undefined ? [] : [{ name, hash }];
  });
}

/** `style: 0123456789ab, hands: ba9876543210` */
function listedHashes(text = ''): { name: string; hash: string }[] {
  return [...text.matchAll(/\s*([^,]*?)\s*:\s*([0-9a-fA-F]+)\s*(?:,|$)/g)].map(([, name, hash]) => ({
    name,
    hash,
  }));
}

/** Our own record. */
function ownRun(record: Record<string, unknown>, path: string): RecordedRun {
  if (record.kind === FINETUNE_KIND) {
    throw new UserError(
      `${path}: is that of a fine-tuning; type its command again: ${textOf(record.command) ?? ''}`,
    );
  }
  const { prompt, image, ...request } = record.request as Record<string, unknown>;
  if (typeof prompt !== 'string') throw new UserError(`${path}: its record has no prompt`);
  const values = checkedValues(request, path);
  const hashes = isRecord(record.inputHashes) ? record.inputHashes : {};
  const versions = isRecord(record.versions) ? record.versions : {};
  return {
    prompt,
    kind: kindOf({ kind: record.kind, image }),
    values,
    ...(textOf(image) === undefined ? {} : { image: textOf(image) }),
    inputHashes: {
      image: textOf(hashes.image),
      maskFile: textOf(hashes.maskFile),
      ...(Array.isArray(hashes.targetImage) && { targetImage: hashes.targetImage.map(String) }),
    },
    weightHashes: {
      modelHash: textOf(record.modelHash),
      ...(record.adapter === undefined ? {} : { adapter: namedHashes([record.adapter])?.[0] }),
      ...(record.motion === undefined ? {} : { motion: namedHashes([record.motion])?.[0] }),
      loras: namedHashes(record.loras),
      embeddings: namedHashes(record.embeddings),
    },
    ...(typeof record.iteration === 'number' ? { iteration: record.iteration } : {}),
    version: textOf(record.version) ?? textOf(versions.sgool),
    notes: [],
  };
}

/**
 * Values of options from a record.
 *
 * @throws UserError where one is not usable, or no option of this version
 */
export function checkedValues(recorded: Readonly<Record<string, unknown>>, path: string): Values {
  return Object.fromEntries(
    Object.entries(recorded)
      .filter(([key, value]) => !(key === 'negativePrompt' && value === ''))
      .map(([key, value]) => {
        const who = `${path}: ${key}`;
        if (!Object.hasOwn(VALUE_SCHEMAS, key)) {
          throw new UserError(
            `${who}: this version of sgool has no such setting; the image was made by another`,
          );
        }
        return [key, checkValue(VALUE_SCHEMAS[key as keyof typeof VALUE_SCHEMAS], value, who)];
      }),
  );
}

/** Keys of the web UI that say nothing about how the image is made here. */
const HARMLESS = [
  'Version',
  'Model hash',
  'VAE hash',
  'Lora hashes',
  'TI hashes',
  'Hashes',
  'User',
  'Token merging ratio',
];

/** Our generators by the web UI's names; NV is the card's generator on any machine. */
const RNG_SOURCES: Readonly<Record<string, string>> = { CPU: 'cpu', GPU: 'cuda', NV: 'cuda' };

/** The text of AUTOMATIC1111's web UI and of tools that write as it does. Every key is taken over or named. */
function foreignRun(text: string, path: string): RecordedRun {
  const { prompt, negativePrompt = '', settings } = parseParameters(text);
  if (settings.Steps === undefined || settings.Seed === undefined) {
    throw new UserError(`${path}: its text ${PARAMETERS_KEYWORD} names no Steps and Seed`);
  }
  if (settings['Denoising strength'] !== undefined && settings['Hires upscale'] === undefined) {
    throw new UserError(
      `${path}: it was made from another image (Denoising strength ${settings['Denoising strength']}); to change an image: sgool refine <image> "<prompt>"`,
    );
  }
  const notes: string[] = [];
  const values: Record<string, unknown> = {
    method: hasADetailer(settings) ? DETAILING_METHOD : 'sd',
    ...(negativePrompt === '' ? {} : { negativePrompt }),
  };
  const take = (key: string, name: string, value: unknown = Number(settings[name])) => {
    values[key] = checkValue(VALUE_SCHEMAS[key as keyof typeof VALUE_SCHEMAS], value, `${path}: ${name}`);
  };
  const has = (key: string) => Object.hasOwn(VALUE_SCHEMAS, key);
  // A sampler whose schedule is its own would be another one.
  const detailSampler = (text: string) => {
    const found = samplerOfA1111(text, VALUE_SCHEMAS.sampler.options);
    return found?.schedule === undefined ? found?.sampler : undefined;
  };
  for (const [name, value] of Object.entries(settings)) {
    const detail = takeADetailer(name, value, take, detailSampler);
    if (detail?.left !== undefined) notes.push(`not repeated: ${detail.left}`);
    if (detail !== undefined) continue;
    if (name === 'Steps') take('steps', name);
    else if (name === 'CFG scale') take('guidanceScale', name);
    else if (name === 'Seed') take('seed', name, value);
    else if (name === 'Size') takeSize(value, take);
    else if (name === 'Sampler') takeSampler(value, path, take, notes, has);
    else if (name === 'Model') values.model = value;
    else if (name === 'Clip skip' && has('clipSkip')) take('clipSkip', name);
    else if (name === 'Eta DDIM' || (name === 'Eta' && /^ddim/i.test(settings.Sampler ?? '')))
      take('eta', name);
    else if (name === 'CFG Rescale' && has('guidanceRescale')) take('guidanceRescale', name);
    else if (name === 'Schedule type' && isSpread(value, has)) take('sigmas', name, value.toLowerCase());
    else if (name === 'RNG' && Object.hasOwn(RNG_SOURCES, value)) take('rng', name, RNG_SOURCES[value]);
    else if (!HARMLESS.includes(name)) notes.push(`not repeated: ${name} ${value}`);
  }
  if (settings.RNG === undefined && settings.Version?.startsWith('sgool') !== true) {
    values.rng = 'cuda';
    notes.push(
      'RNG is not named: the noise is that of a graphics card (--rng cuda), as the web UI draws it by default',
    );
  }
  const weightHashes = {
    modelHash: settings['Model hash'],
    loras: listedHashes(settings['Lora hashes']),
    embeddings: listedHashes(settings['TI hashes']),
  };
  return { prompt, kind: 'generate', values, inputHashes: {}, weightHashes, notes };
}

const isSpread = (value: string, has: (key: string) => boolean) =>
  has('sigmas') && ['karras', 'exponential', 'beta'].includes(value.toLowerCase());

type Take = (key: string, name: string, value?: unknown) => void;

function takeSize(text: string, take: Take): void {
  const [width, height] = text.split('x').map(Number);
  take('width', 'Size', width);
  take('height', 'Size', height);
}

function takeSampler(
  text: string,
  path: string,
  take: Take,
  notes: string[],
  has: (key: string) => boolean,
): void {
  const names = VALUE_SCHEMAS.sampler.options;
  const found = samplerOfA1111(text, names);
  if (found === undefined) {
    throw new UserError(`${path}: sgool has no sampler ${text}; it has ${names.join(', ')}`);
  }
  take('sampler', 'Sampler', found.sampler);
  const { schedule } = found;
  if (schedule === undefined) return;
  if (isSpread(schedule, has)) take('sigmas', 'Sampler', schedule.toLowerCase());
  else notes.push(`not repeated: the schedule ${schedule} of ${text}`);
}

/** Whether a model that another tool names is the one that is given: names of files, without folder and ending. */
export const isSameModelName = (a: string, b: string): boolean => stem(a) === stem(b);
const stem = (path: string) =>
  basename(path, /\.(safetensors|ckpt|pth?|bin)$/i.test(path) ? extname(path) : '');

/** The command that a record names; one without the name is older, and of `refine` if it has an image. */
export function kindOf({ kind, image }: { readonly kind?: unknown; readonly image?: unknown }): CommandKind {
  return COMMAND_KINDS.find((one) => one === kind) ?? (image === undefined ? 'generate' : 'refine');
}
