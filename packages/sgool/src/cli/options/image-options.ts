/**
 * @file The options of `generate` and `refine`, made from the schemas of the request and of the methods: one definition for
 * command line, environment and file.
 *
 * An option is `--some-name` on the command line, `SGOOL_SOME_NAME` in the environment, and the key of the schema
 * (`someName`) in `sgool.config.json`.
 */
import { z } from 'zod';
import { PAIR_SAMPLERS } from '../../diffusion/sampler-names.ts';
import { UserError } from '../../errors.ts';
import { samplerOfA1111 } from '../../image/a1111-names.ts';
import { VIDEO_FORMATS, type VideoFormat } from '../../image/video/encode-video.ts';
import { ATTENTION_MAPS, attentionMapsShape } from '../../methods/attention-maps-request.ts';
import { DETAIL } from '../../methods/detail/detail-request.ts';
import { REFINE, type RefineRequest, refineShape } from '../../methods/edit/refine-request.ts';
import { DEFAULT_METHOD, type GenerationRequest, METHOD_NAMES, METHODS } from '../../methods/index.ts';
import type { MethodFacts } from '../../methods/run/method.ts';
import { commonShape, hasOption, type MethodSchema, PRESETS } from '../../request/request.ts';
import { attentionSettings } from '../../request/settings/attention.ts';
import { detailSettings } from '../../request/settings/detail.ts';
import { clipSettings, frameLossSettings } from '../../request/settings/frames.ts';
import { SETTING_GROUPS, SETTINGS } from '../../request/settings/index.ts';
import { DEFAULT_MOTION } from '../../weights/open/locate-model.ts';
import {
  COMPUTE_OPTIONS,
  MODEL_OPTION,
  MODEL_SCHEMAS,
  type ModelValues,
  PART_OPTIONS,
} from './model-options.ts';
import { type CliOption, checkValue, type OptionValues, schemaOption, withDefault } from './option.ts';
import { parseTargetFile, targetFileText } from './target-images.ts';

/** Values about the output of a run. */
export interface OutputValues {
  out?: string;
  /** Show what the prompts are read as, and make nothing. */
  explain?: boolean;
  saveIterations?: boolean;
  /** What a clip is written as. */
  format?: VideoFormat;
  keepState?: boolean;
  metadata?: boolean;
  /** Number of seeds, one after the other. */
  count?: number;
  /** Path of a file of prompts, or `-`. */
  prompts?: string;
  /** Path of the mask image; the request holds the image. */
  maskFile?: string;
  /** Paths of target images, each perhaps with `:weight` behind it; the request holds the images. */
  targetImage?: readonly string[];
  /** What `attention` shows. */
  layers?: string;
  atSteps?: string;
}

/** How `refine` uses the image that it begins with. */
export type RefineValues = Partial<Pick<RefineRequest, keyof typeof refineShape>>;

/** All values of options, without those that are not given. */
export type Values = Partial<Omit<GenerationRequest, 'prompt' | 'mask' | 'targetImages'>> &
  OutputValues &
  ModelValues &
  RefineValues;

/** Schemas by key, for all three sources. */
export const VALUE_SCHEMAS = {
  negativePrompt: commonShape.negativePrompt.unwrap(),
  method: z.enum(METHOD_NAMES),
  allowEmpty: commonShape.allowEmpty.unwrap(),
  seed: commonShape.seed.unwrap(),
  preset: commonShape.preset.unwrap(),
  detail: z
    .boolean()
    .describe(
      'repaint the salient regions of the result, each enlarged: the settings of the detail pass and of the salient regions say how',
    ),
  ...SETTINGS,
  ...MODEL_SCHEMAS,
  ...refineShape,
  ...attentionMapsShape,
  out: z.string().min(1).describe('folder for the results (default: sgool-output/<date>-<prompt>-<seed>)'),
  count: z
    .int()
    .min(1)
    .max(10_000)
    .describe('images, from as many seeds: the seed, the one after it, ... (default: 1)'),
  prompts: z
    .string()
    .min(1)
    .describe('file of prompts, one per line, or - for the standard input; a run for each, or --count runs'),
  explain: z.boolean().describe('show what the prompts are read as, as sgool prompt does, and make nothing'),
  saveIterations: z.boolean().describe('keep the image of every iteration, in the folder iterations'),
  format: z
    .enum(VIDEO_FORMATS)
    .describe(
      'format of the clip: webp (animated WebP), apng (animated PNG, lossless), gif (256 colours) or mp4 (H.264; needs ffmpeg or the package h264-mp4-encoder)',
    ),
  keepState: z
    .boolean()
    .describe('keep what sgool resume needs when the run is finished, in the folder state'),
  metadata: z.boolean().describe('write the settings into the PNG files'),
  maskFile: z.string().min(1).describe('image whose brightness is the saliency map; sets --saliency mask'),
  targetImage: z
    .preprocess(
      (value) => (typeof value === 'string' ? [value] : value),
      z
        .array(z.string().refine(isTargetFile, 'must be file or file:weight, the weight above 0'))
        .min(1)
        .max(64),
    )
    .describe(
      'image that CLIP compares the result with, beside the text: a file, perhaps with its weight as in cat.png:0.5 (default 1); may be given several times',
    ),
} satisfies Record<keyof Values, z.ZodType>;

type ValueKey = keyof Values & string;

/** How options differ from what their schemas say: short names, and switches that are on by default. */
const DIFFERENCES: Readonly<Partial<Record<ValueKey, Partial<CliOption>>>> = {
  seed: { argument: 'number' },
  sampler: { parse: parseSampler },
  guidanceScale: { flag: 'guidance' },
  negativePrompt: { flag: 'negative' },
  sourcePrompt: { flag: 'from' },
  maskFile: { flag: 'mask', argument: 'file' },
  targetImage: { argument: 'file', isList: true, parse: parseTargetImage },
  boxes: { flag: 'box', argument: 'x,y,width,height', isList: true },
  regionNegativePrompt: { flag: 'region-negative' },
  detailSampler: { parse: parseDetailSampler },
  onlyMasked: {
    negated: true,
    description: 'repaint the whole image for each region instead of enlarging it',
  },
  renormalise: { negated: true, description: 'let the norm of the noise change' },
};

/** Methods that make clips. */
const CLIP_METHODS = METHODS.filter(({ picturesOnly }) => !picturesOnly);

const MAIN = 'Options:';
const OUTPUT = 'Output:';

/** Settings that most people need; the help shows them first. */
const MAIN_SETTINGS: readonly string[] = ['steps', 'guidanceScale', 'iterations', 'saliency'];
/** Settings that share the option `--size`. */
const SIZE: readonly string[] = ['width', 'height'];

function option(key: ValueKey, group: string, more: Partial<CliOption> = {}): CliOption {
  return schemaOption(key, VALUE_SCHEMAS[key], group, { ...DIFFERENCES[key], ...more });
}

/** The name of a value in a request: images are paths here. */
export const requestKey = (key: string) => REQUEST_KEYS[key] ?? key;
const REQUEST_KEYS: Readonly<Record<string, string>> = { maskFile: 'mask', targetImage: 'targetImages' };

/** Whether a value is a setting or an input of some method. */
export const isMethodOption = (key: string) => METHODS.some((method) => methodHas(method, key));

/** Whether a method has the setting or the input of this name. */
export const methodHas = (method: MethodSchema, key: string) => hasOption(method, requestKey(key));

/** ` [only doodl, sgool]`, for an option that not every method has; empty for the others. */
function ownersOf(key: string, methods: readonly MethodFacts[]): string {
  const having = methods.filter((method) => methodHas(method, key));
  const single = having.filter(({ isComposed }) => !isComposed);
  const owners = single.length > 0 ? single : having;
  const isShared = owners.length === 0 || having.length === methods.length;
  return isShared ? '' : ` [only ${owners.map(({ name }) => name).join(', ')}]`;
}

/** Our name of a sampler, or that of AUTOMATIC1111's web UI. */
function parseSampler(text: string, who: string): OptionValues {
  const schema = VALUE_SCHEMAS.sampler;
  const { sampler = text.trim(), schedule } = samplerOfA1111(text, schema.options) ?? {};
  const name = checkValue(schema, sampler, who);
  if (schedule === undefined) return { sampler: name };
  const { sigmas }: Readonly<Record<string, z.ZodType | undefined>> = SETTINGS as never;
  if (sigmas === undefined)
    throw new UserError(`${who}: the schedule ${schedule} is not supported; leave it out`);
  return { sampler: name, sigmas: checkValue(sigmas, schedule.toLowerCase(), who) };
}

/** The sampler of regions, by either name. */
function parseDetailSampler(text: string, who: string): OptionValues {
  const { options } = SETTINGS.sampler;
  const { sampler = text.trim(), schedule } = samplerOfA1111(text, options) ?? {};
  if (schedule !== undefined) {
    throw new UserError(
      `${who}: the schedule ${schedule} is that of the run; leave it out, or give it with --sigmas`,
    );
  }
  return { detailSampler: checkValue(VALUE_SCHEMAS.detailSampler, sampler, who) };
}

/** One file of a list. */
function parseTargetImage(text: string, who: string): OptionValues {
  return { targetImage: [targetFileText(parseTargetFile(text, who))] };
}

function isTargetFile(text: string): boolean {
  try {
    return parseTargetFile(text, '').path !== '';
  } catch {
    return false;
  }
}

/** `512` or `512x384`. */
function parseSize(text: string, who: string): OptionValues {
  const [, width, height] = /^\s*(\d+)(?:\s*[x×]\s*(\d+))?\s*$/i.exec(text) ?? [];
  if (width === undefined) {
    throw new UserError(
      `${who}: not usable, got ${text || 'nothing'}; give a side, or width x height: 512 or 512x384`,
    );
  }
  return {
    width: checkValue(SETTINGS.width, Number(width), who),
    height: checkValue(SETTINGS.height, Number(height ?? width), who),
  };
}

/**
 * The options of a command that makes images.
 *
 * @param only the method that the command runs. Without it the command runs any of `among`, and the help says which methods have an
 *   option that not all have: in the heading of a group whose options belong to the same methods, else at each option.
 */
function imageOptions(only?: MethodSchema, among: readonly MethodFacts[] = METHODS): CliOption[] {
  const owners = (key: string) => (only ? '' : ownersOf(key, among));
  const setting = (key: string, group: string) => {
    const one = option(key as ValueKey, group);
    return { ...one, description: one.description + owners(key) };
  };
  const group = (heading: string, keys: readonly string[]) => {
    const [first, ...others] = keys.map(owners);
    const isUniform = others.every((each) => each === first);
    const title = `${heading}${isUniform ? first : ''}:`;
    return keys.map((key) => (isUniform ? option(key as ValueKey, title) : setting(key, title)));
  };
  const all = [
    ...(only
      ? []
      : [
          option('method', MAIN, {
            description: `method that makes the image: ${METHOD_NAMES.join(', ')} (default: ${DEFAULT_METHOD})`,
          }),
          option('detail', MAIN),
        ]),
    MODEL_OPTION,
    withDefault(option('seed', MAIN), -1),
    ...MAIN_SETTINGS.map((key) => setting(key, MAIN)),
    {
      flag: 'size',
      argument: 'pixels',
      description:
        'size of the image in pixels, a side or width x height: 512 or 512x384; most models need multiples of 8',
      group: MAIN,
      keys: SIZE,
      parse: parseSize,
    },
    ...SIZE.map((key) => option(key as ValueKey, MAIN, { hidden: true })),
    option('negativePrompt', MAIN),
    option('allowEmpty', MAIN),
    setting('maskFile', MAIN),
    setting('targetImage', MAIN),
    withDefault(option('preset', MAIN), PRESETS[0]),
    ...COMPUTE_OPTIONS,
    ...PART_OPTIONS,
    option('out', OUTPUT, { argument: 'folder' }),
    option('count', OUTPUT),
    option('prompts', OUTPUT, { argument: 'file' }),
    option('explain', OUTPUT),
    withDefault(option('format', OUTPUT), VIDEO_FORMATS[0]),
    option('saveIterations', OUTPUT),
    option('keepState', OUTPUT),
    option('metadata', OUTPUT, { negated: true, description: 'write no settings into the PNG files' }),
    ...SETTING_GROUPS.flatMap(([heading, settings]) =>
      group(
        heading,
        Object.keys(settings).filter((key) => !MAIN_SETTINGS.includes(key) && !SIZE.includes(key)),
      ),
    ),
  ];
  if (!only) return all;
  return all.filter(({ keys: [key] }) => !isMethodOption(key) || methodHas(only, key));
}

/** Options that only clips have. */
const isOfClips = ({ keys: [key] }: CliOption) =>
  key === 'format' || Object.hasOwn(clipSettings, key) || Object.hasOwn(frameLossSettings, key);

/** The options of a command that makes pictures alone. */
const pictureOptions = (only?: MethodSchema): CliOption[] =>
  imageOptions(only).filter((one) => !isOfClips(one));

/** Every option of `generate`. */
export const generateOptions = (): CliOption[] => pictureOptions();

/** How options of `video` differ from those of `generate`. */
const VIDEO_DIFFERENCES: Readonly<Partial<Record<string, Partial<CliOption>>>> = {
  method: {
    description: `method that makes the clip: ${CLIP_METHODS.map(({ name }) => name).join(', ')} (default: ${DEFAULT_METHOD})`,
  },
  frames: { group: MAIN, description: 'frames of the clip (default: as many as the model was trained with)' },
  fps: {
    group: MAIN,
    description: 'frames per second that the clip is shown with (default: those of the model)',
  },
  motion: {
    description: `motion adapter (AnimateDiff): a folder, a file, or org/name of a pulled one (default: ${DEFAULT_MOTION}, where no model is named)`,
  },
  count: { description: 'clips, from as many seeds: the seed, the one after it, ... (default: 1)' },
  saveIterations: { description: 'keep the clip of every iteration, in the folder iterations' },
};

/** Options that a picture has and no clip: the detail pass repaints one picture, and attention is that of one. */
const isOfPictures = ({ keys: [key] }: CliOption) =>
  key === 'detail' || Object.hasOwn(detailSettings, key) || Object.hasOwn(attentionSettings, key);

/** Every option of `video`. */
export const videoOptions = (): CliOption[] =>
  imageOptions(undefined, CLIP_METHODS)
    .filter((one) => !isOfPictures(one))
    .map((one) => ({ ...one, ...VIDEO_DIFFERENCES[one.keys[0]] }));

/** How options of `refine` differ from those of `generate`. */
const REFINE_DIFFERENCES: Readonly<Partial<Record<string, Partial<CliOption>>>> = {
  seed: {
    description:
      'seed of random cutouts and perturbations, and of the noise that sdedit and a model for inpainting start from, and rf-inversion goes to; -1 draws one and reports it (default: -1)',
  },
  iterations: { description: 'iterations after the plain image: updates of the noise' },
  maskFile: {
    description: 'image that is white where the image may change and black where it must stay',
  },
  frames: {
    group: MAIN,
    description: 'frames of a clip that are taken, from its beginning on (default: all)',
  },
  fps: {
    group: MAIN,
    description:
      'frames per second that are taken of a clip, and that the result is shown with (default: those of the clip)',
  },
  motion: {
    description: `motion adapter (AnimateDiff) for a clip: a folder, a file, or org/name of a pulled one (default: ${DEFAULT_MOTION}, where no model is named)`,
  },
  sampler: {
    description: `sampler: ${PAIR_SAMPLERS.join(' or, on a rectified flow, ')}, which are exactly invertible, for the edits edict and p2p; euler for rf-inversion; for sdedit, and for a mask and a model for inpainting, any: ${SETTINGS.sampler.options.join(', ')}`,
  },
};

/** Every option of `refine`. */
export function refineOptions(): CliOption[] {
  const [source, ...own] = Object.keys(refineShape).map((key) => option(key as ValueKey, MAIN));
  return imageOptions(REFINE).flatMap((one) => {
    const [key] = one.keys;
    const changed = { ...one, ...REFINE_DIFFERENCES[key] };
    return key === 'maskFile' ? [source, changed, ...own] : [changed];
  });
}

/** How options of `detail` differ from those of `generate`. */
const DETAIL_DIFFERENCES: Readonly<Partial<Record<string, Partial<CliOption>>>> = {
  seed: {
    description:
      'seed of the noise of the first region; each further one takes the seed after it; -1 draws one and reports it (default: -1)',
  },
  width: {
    description:
      'size in pixels in which a region is repainted, a side or width x height (default: that of the model)',
  },
};

/** Every option of `detail`. */
export const detailOptions = (): CliOption[] =>
  pictureOptions(DETAIL).map((one) => ({ ...one, ...DETAIL_DIFFERENCES[one.keys[0]] }));

/** The options of all commands that make images. */
export const anyImageOptions = (): CliOption[] => [
  ...generateOptions(),
  ...videoOptions(),
  ...refineOptions(),
  ...detailOptions(),
];
/** Values of `generate` that have no place where one sheet is made. */
const NOT_OF_A_SHEET: readonly string[] = [
  'preset',
  'count',
  'prompts',
  'explain',
  'saveIterations',
  'keepState',
  'metadata',
];

/** Every option of `attention`. */
export function attentionOptions(): CliOption[] {
  const all = pictureOptions(ATTENTION_MAPS).filter(({ keys: [key] }) => !NOT_OF_A_SHEET.includes(key));
  const shown = (['tokens', 'layers', 'atSteps'] as const).map((key) => ({
    ...schemaOption(key, key === 'tokens' ? ATTENTION_MAPS.settings.tokens : VALUE_SCHEMAS[key], MAIN),
    argument: key === 'layers' ? 'names' : key === 'tokens' ? 'words' : 'numbers',
  }));
  const out = option('out', OUTPUT, {
    argument: 'file',
    description:
      'file to write: .png, .jpg, .jpeg or .webp, or a device or pipe, which gets PNG (default: attention.png in the current folder)',
  });
  const others = all.filter(({ keys: [key] }) => key !== 'tokens' && key !== 'out');
  return [...shown, ...others, out];
}
