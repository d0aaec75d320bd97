/** @file One option of the command line, made from a schema: its text in the help, and how a text becomes a value. */
import { Option } from 'commander';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { readDecimal } from '../../numbers.ts';
import { fromCommandLine, usageError } from '../usage-error.ts';
import { didYouMean } from './suggest.ts';

/** Values by key. */
export type OptionValues = Readonly<Record<string, unknown>>;

export interface CliOption {
  /** Name without the dashes. */
  readonly flag: string;
  /** Name of its argument; none for a switch. */
  readonly argument?: string;
  /** Other names of the flag: the key of a value is one, so that `--negative-prompt` is `--negative`. The help is silent on them. */
  readonly aliases?: readonly string[];
  /** Works, but is not in the help: another option says the same. */
  readonly hidden?: boolean;
  /** A switch that is on by default is shown as `--no-x`. */
  readonly negated?: boolean;
  /** May be given several times: lists are joined, texts with commas. */
  readonly isList?: boolean;
  readonly description: string;
  /** Heading of its group in the help. */
  readonly group: string;
  /** The keys that it sets. */
  readonly keys: readonly string[];
  /**
   * The values of a text.
   *
   * @param who names the option in messages
   * @throws UserError
   */
  parse(text: string, who: string): OptionValues;
}

/** The part of a JSON Schema that matters here. */
interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly description?: string;
}

/** What is known of a schema; commands share their options. */
const jsonSchemas = new WeakMap<z.ZodType, JsonSchema>();

function toJsonSchema(schema: z.ZodType): JsonSchema {
  const known = jsonSchemas.get(schema);
  if (known) return known;
  const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  jsonSchemas.set(schema, made);
  return made;
}

const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * An option for a key of a schema.
 *
 * @param more what differs from what the schema says
 */
export function schemaOption(
  key: string,
  schema: z.ZodType,
  group: string,
  more: Partial<CliOption> = {},
): CliOption {
  const described = toJsonSchema(schema);
  const argument = described.enum ? 'name' : described.type === 'string' ? 'text' : 'number';
  const { description = key } = described;
  // Some descriptions explain every choice already.
  const isExplained = described.enum?.every((choice) => description.includes(choice)) ?? true;
  const choices = isExplained ? '' : `; one of ${described.enum?.join(', ')}`;
  const own = kebab(key);
  return {
    flag: own,
    ...(more.flag === undefined || more.flag === own ? {} : { aliases: [own] }),
    ...(described.type === 'boolean' ? {} : { argument }),
    description: description + choices,
    group,
    keys: [key],
    parse: (text, who) => ({ [key]: checkValue(schema, fromText(text, described), who) }),
    ...more,
  };
}

/** The option with its default in the description. */
export const withDefault = (option: CliOption, value: unknown): CliOption => ({
  ...option,
  description: `${option.description} (default: ${value})`,
});

/** All its flags. */
const flagsOf = ({ flag, aliases = [] }: Pick<CliOption, 'flag' | 'aliases'>) => [flag, ...aliases];

/** The names of the option in the environment; the first one is that of the help. */
export const variablesOf = (option: Pick<CliOption, 'flag' | 'aliases'>): string[] =>
  flagsOf(option).map((flag) => `SGOOL_${flag.toUpperCase().replaceAll('-', '_')}`);

/** Name of the option in the environment. */
export const variableOf = (option: Pick<CliOption, 'flag' | 'aliases'>): string => variablesOf(option)[0];

/** The option for Commander, with its other names; for a switch two, of which the help shows one. */
export function toCommander(option: CliOption): Option[] {
  const { flag, argument, description, group, negated = false, hidden = false, isList = false } = option;
  const who = `--${flag}`;
  if (argument === undefined) {
    const on = new Option(who, description).helpGroup(group).hideHelp(negated);
    const off = new Option(`--no-${flag}`, description).helpGroup(group).hideHelp(!negated);
    return [on, off];
  }
  const parse = (who: string) => (text: string, before?: OptionValues) => {
    const [key] = option.keys;
    const known = isList ? before?.[key] : undefined;
    return fromCommandLine(() => {
      if (Array.isArray(known)) return { [key]: [...known, ...(option.parse(text, who)[key] as unknown[])] };
      return option.parse(known === undefined ? text : `${known},${text}`, who);
    });
  };
  return flagsOf(option).map((name) =>
    new Option(`--${name} <${argument}>`, description)
      .helpGroup(group)
      .hideHelp(hidden || name !== flag)
      .argParser(parse(`--${name}`)),
  );
}

const attributeOf = (flag: string) => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/**
 * The options that were typed, each with its values.
 *
 * @throws UserError where two of them say the same
 */
export function typedOptions(
  flags: OptionValues,
  options: readonly CliOption[],
): { option: CliOption; values: OptionValues }[] {
  const typed = options.flatMap((option) =>
    flagsOf(option).flatMap((flag) => {
      const given = flags[attributeOf(flag)];
      if (given === undefined) return [];
      const values = typeof given === 'boolean' ? { [option.keys[0]]: given } : (given as OptionValues);
      return [{ option, flag, values }];
    }),
  );
  refuseTwice(typed.map(({ flag, values }) => ({ name: `--${flag}`, values })));
  return typed.map(({ option, values }) => ({ option, values }));
}

/** @throws UserError where two names set the same key */
export function refuseTwice(
  given: readonly { readonly name: string; readonly values: OptionValues }[],
): void {
  const setters = new Map<string, string>();
  for (const { name, values } of given) {
    for (const key of Object.keys(values)) {
      const other = setters.get(key);
      if (other !== undefined) {
        throw usageError(`${other} and ${name} both set the ${words(key)}; give one of them`);
      }
      setters.set(key, name);
    }
  }
}

/** `guidance scale`, for the key guidanceScale. */
const words = (key: string) => kebab(key).replaceAll('-', ' ');

/** The values of what was typed. */
export function typedValues(flags: OptionValues, options: readonly CliOption[]): OptionValues {
  return Object.assign({}, ...typedOptions(flags, options).map(({ values }) => values));
}

/**
 * Checks one value against its schema.
 *
 * @throws UserError that says what would be right
 */
export function checkValue(schema: z.ZodType, value: unknown, who: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const described = toJsonSchema(schema);
  const [issue] = result.error.issues;
  const got = typeof value === 'string' ? value : JSON.stringify(value);
  const hint = described.enum && typeof value === 'string' ? didYouMean(value, described.enum) : '';
  const right = ownRule(issue) ?? expectation(described);
  // Read from JSON, whose numbers are exact up to 2^53 only.
  const quotes = Number.isInteger(value) && !Number.isSafeInteger(value) ? '; write it in quotes' : '';
  throw new UserError(
    `${who}: not usable, got ${got === '' ? 'nothing' : got}; ${right}${hint}${issue.code === 'custom' ? quotes : ''}`,
  );
}

/** What would be right, where the schema says it in words of its own, or it is about the length of a text. */
function ownRule(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === 'custom' || issue.code === 'invalid_format') return `it ${issue.message}`;
  if (issue.code === 'too_big' && issue.origin === 'string') {
    return `it must have at most ${issue.maximum} characters`;
  }
  return undefined;
}

/** What would be right, in words. */
function expectation({
  type,
  enum: choices,
  minimum,
  exclusiveMinimum,
  maximum,
  exclusiveMaximum,
}: JsonSchema): string {
  if (choices) return `choose one of ${choices.join(', ')}`;
  if (type === 'boolean') return 'give true or false';
  if (type === 'string') return 'give a text';
  if (type === 'array') return 'give a list of texts';
  const least = exclusiveMinimum === undefined ? `from ${minimum}` : `above ${exclusiveMinimum}`;
  const isOpen = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  const most =
    exclusiveMaximum !== undefined ? ` and below ${exclusiveMaximum}` : isOpen ? '' : ` up to ${maximum}`;
  return `give a ${type === 'integer' ? 'whole number' : 'number'} ${least}${most}`;
}

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

/** A text as the type of value that the schema wants; unchanged if it is none. */
function fromText(text: string, { type }: JsonSchema): unknown {
  if (type === 'integer' || type === 'number') return readDecimal(text) ?? text;
  if (type === 'boolean') return SWITCH[text.trim().toLowerCase()] ?? text;
  return text;
}
