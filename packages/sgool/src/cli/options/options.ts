/**
 * @file The options of `generate` and `refine`, made from the request schema: one definition for command line, environment and file.
 *
 * An option is `--some-name` on the command line, `SGOOL_SOME_NAME` in the environment, and the key of the schema
 * (`someName`) in `sgool.config.json`.
 */
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { type RefineRequest, refineShape } from '../../request/refine-request.ts';
import {
  type GenerationRequest,
  METHOD_NAMES,
  requestSchema,
  settingsSchema,
} from '../../request/request.ts';
import {
  DEVICE_HELP,
  DEVICES,
  type DeviceName,
  PRECISION_HELP,
  PRECISIONS,
  type PrecisionName,
} from './model-options.ts';
import { type ModelParts, PART_KEYS, PART_SCHEMAS, PARTS_GROUP } from './model-parts.ts';
import { didYouMean } from './suggest.ts';

/** What an option of ours holds beside the request. */
export interface OutputOptions {
  out?: string;
  device?: DeviceName;
  precision?: PrecisionName;
  saveIterations?: boolean;
  metadata?: boolean;
  /** Path of the mask image; the request holds the image. */
  maskFile?: string;
}

/** How `refine` uses the image that it begins with. */
export type RefineValues = Partial<Pick<RefineRequest, keyof typeof refineShape>>;

/** Everything that options say, nothing for what they leave open. */
export type Values = Partial<Omit<GenerationRequest, 'prompt' | 'mask'>> &
  OutputOptions &
  ModelParts &
  RefineValues;

export interface CliOption {
  /** Without the dashes. */
  readonly flag: string;
  /** Name of its argument; none for a switch. */
  readonly argument?: string;
  /** A switch that is on unless it is switched off is shown as `--no-x`. */
  readonly negated?: boolean;
  readonly description: string;
  /** Heading that it stands under in the help. */
  readonly group: string;
  /** The keys it sets. */
  readonly keys: readonly (keyof Values)[];
  /**
   * What a text says.
   *
   * @param who names the option in messages
   * @throws UserError
   */
  parse(text: string, who: string): Values;
}

const MAIN = 'Options:';
const OUTPUT = 'Output:';

/** Headings for the settings; whatever is not named here stands under the last. */
const GROUPS: readonly (readonly [heading: string, keys: readonly string[]])[] = [
  [MAIN, ['steps', 'guidanceScale', 'iterations', 'saliency']],
  [
    'Sampling:',
    [
      'sampler',
      'guidanceStart',
      'guidanceStop',
      'eta',
      'mixingWeight',
      'edictOutput',
      'trajectory',
      'gradientSteps',
      'jacobianShare',
    ],
  ],
  [
    'Salient regions:',
    [
      'lambda',
      'saliencyEvery',
      'thresholdRule',
      'thresholdValue',
      'regionPadding',
      'minRegionSide',
      'maxRegions',
      'regionText',
    ],
  ],
  ['Optimisation:', []],
];

/** Short names where the key is long. */
const FLAG_OF: Readonly<Record<string, string>> = {
  guidanceScale: 'guidance',
  negativePrompt: 'negative',
  sourcePrompt: 'from',
};

/** What stands behind the options that name places. */
const PART_ARGUMENTS: Readonly<Partial<Record<keyof ModelParts, Partial<CliOption>>>> = {
  clip: { argument: 'place' },
  tokenizer: { argument: 'place' },
  vae: { argument: 'place' },
  lora: { argument: 'files' },
  modelConfig: { argument: 'folder' },
  ema: { negated: true },
};

const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A schema as JSON Schema tells it. */
interface Described {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly description?: string;
}

/** What would be right, in words. */
function expectation({
  type,
  enum: choices,
  minimum,
  exclusiveMinimum,
  maximum,
  exclusiveMaximum,
}: Described): string {
  if (choices) return `choose one of ${choices.join(', ')}`;
  if (type === 'boolean') return 'give true or false';
  if (type === 'string') return 'give a text';
  const least = exclusiveMinimum === undefined ? `from ${minimum}` : `above ${exclusiveMinimum}`;
  const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  const most =
    exclusiveMaximum !== undefined ? ` and below ${exclusiveMaximum}` : isOpen ? '' : ` up to ${maximum}`;
  return `give a ${type === 'integer' ? 'whole number' : 'number'} ${least}${most}`;
}

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const SWITCH: Readonly<Record<string, boolean>> = {
  true: true,
  1: true,
  yes: true,
  on: true,
  false: false,
  0: false,
  no: false,
  off: false,
};

/** A text as the kind of value that the schema wants; left as it is where it is none. */
function fromText(text: string, { type }: Described): unknown {
  const trimmed = text.trim();
  if (type === 'integer' || type === 'number') return NUMBER.test(trimmed) ? Number(trimmed) : text;
  if (type === 'boolean') return SWITCH[trimmed.toLowerCase()] ?? text;
  return text;
}

/**
 * Checks one value against its schema.
 *
 * @throws UserError that says what would be right
 */
function check(value: unknown, schema: z.ZodType, described: Described, who: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const got = typeof value === 'string' ? value : JSON.stringify(value);
  const hint = described.enum && typeof value === 'string' ? didYouMean(value, described.enum) : '';
  throw new UserError(
    `${who}: not usable, got ${got === '' ? 'nothing' : got}; ${expectation(described)}${hint}`,
  );
}

const describe = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as Described;

/** Schemas by key, those of the request and those of the output, for all three sources. */
export const VALUE_SCHEMAS = {
  negativePrompt: requestSchema.shape.negativePrompt.unwrap(),
  method: requestSchema.shape.method.unwrap(),
  model: requestSchema.shape.model.unwrap(),
  seed: requestSchema.shape.seed.unwrap(),
  preset: requestSchema.shape.preset.unwrap(),
  ...settingsSchema.shape,
  ...PART_SCHEMAS,
  ...refineShape,
  out: z.string().min(1).describe('folder for the images (default: sgool-output/<date>-<prompt>-<seed>)'),
  device: z.enum(DEVICES).describe(DEVICE_HELP),
  precision: z.enum(PRECISIONS).describe(PRECISION_HELP),
  saveIterations: z.boolean().describe('keep the image of every iteration, in the folder iterations'),
  metadata: z.boolean().describe('write the settings into the PNG files'),
  maskFile: z.string().min(1).describe('image that is bright where the eye should go (saliency "mask")'),
} satisfies Record<keyof Values, z.ZodType>;

/** Checks a value of a key, as a file gives it. */
export function checkValue(key: keyof Values, value: unknown, who: string): Values {
  const schema: z.ZodType = VALUE_SCHEMAS[key];
  return { [key]: check(value, schema, describe(schema), who) };
}

function keyed(key: keyof Values, group: string, more: Partial<CliOption> = {}): CliOption {
  const schema: z.ZodType = VALUE_SCHEMAS[key];
  const described = describe(schema);
  const isSwitch = described.type === 'boolean';
  const argument = described.enum ? 'name' : described.type === 'string' ? 'text' : 'number';
  const choices = described.enum ? `: ${described.enum.join(', ')}` : '';
  return {
    flag: FLAG_OF[key] ?? kebab(key),
    ...(isSwitch ? {} : { argument }),
    description: (described.description ?? key) + choices,
    group,
    keys: [key],
    parse: (text, who) => ({ [key]: check(fromText(text, described), schema, described, who) }),
    ...more,
  };
}

/** `512` or `512x384`. */
function parseSize(text: string, who: string): Values {
  const [, width, height] = /^\s*(\d+)(?:\s*[x×]\s*(\d+))?\s*$/i.exec(text) ?? [];
  if (width === undefined) {
    throw new UserError(
      `${who}: not usable, got ${text || 'nothing'}; give a side, or width x height: 512 or 512x384`,
    );
  }
  return {
    ...checkValue('width', Number(width), who),
    ...checkValue('height', Number(height ?? width), who),
  };
}

function settingOptions(): CliOption[] {
  const named = new Set(GROUPS.flatMap(([, keys]) => keys));
  const last = GROUPS.at(-1)![0];
  const ordered = [
    ...GROUPS.flatMap(([group, keys]) => keys.map((key) => [group, key] as const)),
    ...Object.keys(settingsSchema.shape)
      .filter((key) => !named.has(key) && key !== 'width' && key !== 'height')
      .map((key) => [last, key] as const),
  ];
  return ordered.map(([group, key]) => keyed(key as keyof Values, group));
}

/** Every option of `generate`. */
export function generateOptions(): CliOption[] {
  const [settings, rest] = [settingOptions().filter(({ group }) => group === MAIN), settingOptions()];
  return [
    keyed('method', MAIN, { description: `how the image is made (sgool): ${METHOD_NAMES.join(', ')}` }),
    keyed('model', MAIN, {
      argument: 'name',
      description:
        'name of a model, a folder in the diffusers layout, a .ckpt or .safetensors file, or org/name (toybox)',
    }),
    keyed('seed', MAIN, { description: 'seed of the starting noise; -1 draws one and reports it (-1)' }),
    ...settings,
    {
      flag: 'size',
      argument: 'pixels',
      description: 'side of the image, or width x height: 512 or 512x384',
      group: MAIN,
      keys: ['width', 'height'],
      parse: parseSize,
    },
    keyed('negativePrompt', MAIN),
    keyed('maskFile', MAIN, { flag: 'mask', argument: 'file' }),
    keyed('preset', MAIN),
    keyed('device', MAIN),
    keyed('precision', MAIN),
    ...PART_KEYS.map((key) => keyed(key, PARTS_GROUP, PART_ARGUMENTS[key] ?? {})),
    keyed('out', OUTPUT, { argument: 'folder' }),
    keyed('saveIterations', OUTPUT),
    keyed('metadata', OUTPUT, { negated: true, description: 'write no settings into the PNG files' }),
    ...rest.filter(({ group }) => group !== MAIN),
  ];
}

/** What `refine` says otherwise than `generate`. */
const REFINE_DESCRIPTIONS: Readonly<Partial<Record<keyof Values, Partial<CliOption>>>> = {
  seed: { description: 'seed of random cutouts and perturbations; -1 draws one and reports it (-1)' },
  maskFile: {
    description: 'image that is white where the image may change and black where it must stay',
  },
  sampler: {
    description: 'edict, the only one that can be walked back to the noise exactly',
    parse: (text, who) => {
      if (text.trim() === 'edict') return { sampler: 'edict' };
      throw new UserError(
        `${who}: refine needs edict, got ${text || 'nothing'}; no other sampler can be walked back to the noise exactly`,
      );
    },
  },
};

/** Options of `generate` that mean nothing to `refine`. */
const NOT_FOR_REFINE: readonly (keyof Values)[] = ['method', 'clipGuidanceScale'];

/** Every option of `refine`. */
export function refineOptions(): CliOption[] {
  return generateOptions().flatMap((option) => {
    const [key] = option.keys;
    if (NOT_FOR_REFINE.includes(key)) return [];
    const own = { ...option, ...REFINE_DESCRIPTIONS[key] };
    if (key !== 'maskFile') return [own];
    const [source, ...rest] = (Object.keys(refineShape) as (keyof RefineValues)[]).map((each) =>
      keyed(each, MAIN),
    );
    return [source, own, ...rest];
  });
}
