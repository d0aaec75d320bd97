/**
 * @file Where values come from: command line before environment before file; the defaults are the method's. A setting that the
 * method or the command does not have is refused on the command line, and passed over elsewhere, which a note says.
 */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { disk } from '#platform';
import { UserError } from '../../errors.ts';
import { METHODS } from '../../methods/index.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { listOf, type MethodSchema, noSuchOption } from '../../request/request.ts';
import type { Host } from '../host.ts';
import { inputPath } from '../inputs.ts';
import type { RecordedHashes } from '../run/file-hashes.ts';
import { quoteArgument } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';
import {
  anyImageOptions,
  isMethodOption,
  methodHas,
  requestKey,
  VALUE_SCHEMAS,
  type Values,
} from './image-options.ts';
import {
  type CliOption,
  checkValue,
  type OptionValues,
  refuseTwice,
  toCommander,
  typedOptions,
  variableOf,
  variablesOf,
} from './option.ts';
import { kebabName, meaningOf } from './other-names.ts';
import { checkPrompt } from './prompt.ts';
import { closest, didYouMean } from './suggest.ts';
import { parseTargetFile, targetFileText } from './target-images.ts';

/** Read from the folder that the command is run in, if it is there. */
export const CONFIG_FILE = 'sgool.config.json';

/** Variables with our prefix that are no option. */
const OTHER_VARIABLES = ['SGOOL_DEBUG', 'SGOOL_DATA_DIR', 'SGOOL_QUEUE', 'SGOOL_S3_ADDRESSING'];

/** What a command that makes images accepts. */
export interface ImageCommandKind {
  readonly options: readonly CliOption[];
  /** What runs for these values, and what error messages call it. */
  subject(values: Values): { readonly method: MethodSchema; readonly title: string };
  /** Something else that has options, and how they are had with it. */
  readonly owner?: { readonly method: MethodSchema; readonly text: string };
}

/** A command line, read. */
export interface ImageCommand {
  readonly prompt: string;
  readonly values: Values;
  /** The options of the command. */
  readonly options: readonly CliOption[];
  /** The command as it was typed. */
  readonly typed: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  /** Whether its objective may call programs and servers. Default true: the user has named them. */
  readonly allowVerifiers?: boolean;
  /** Hashes of the weights that the run should have, for a repeated one. */
  readonly recordedHashes?: RecordedHashes;
}

/** Adds the options, and those that all such commands have. */
export function addImageOptions(command: Command, options: readonly CliOption[]): Command {
  for (const option of options) for (const each of toCommander(option)) command.addOption(each);
  return command
    .addOption(
      new Option('--json', 'print one JSON object on stdout instead of the path').helpGroup('Output:'),
    )
    .addOption(new Option('-q, --quiet', 'show no progress').helpGroup('Output:'));
}

/**
 * Reads the command line, the environment and the file in the working folder.
 *
 * @param flags what Commander made of the command line
 * @throws UserError where the prompt is empty, a value is not usable, or a setting was typed that the method does not have
 */
export async function readImageCommand(
  command: Command,
  prompt: string | undefined,
  flags: OptionValues,
  kind: ImageCommandKind,
  host: Host,
): Promise<ImageCommand> {
  const { options } = kind;
  const file = await fileValues(host.cwd);
  const environment = environmentValues(host.env, options);
  const typed = typedOptions(flags, options);
  const own = new Set(options.flatMap(({ keys }) => keys));
  const values: Values = Object.assign(
    {},
    Object.fromEntries(Object.entries(file).filter(([key]) => own.has(key))),
    ...environment.given.map((one) => one.values),
    ...typed.map((one) => one.values),
  );
  checkGivenPrompt(prompt, values);
  const { method, title } = kind.subject(values);
  const isForeign = (key: string) => isMethodOption(key) && !methodHas(method, key);

  for (const { option } of typed) {
    const key = option.keys.find(isForeign);
    if (key === undefined) continue;
    const { owner } = kind;
    const hint = owner && methodHas(owner.method, key) ? `, and ${owner.text}` : '';
    throw usageError(`--${option.flag}: ${noSuchOption(title, requestKey(key), METHODS)}${hint}`);
  }
  const passedOver = (isMeant: (key: string) => boolean) => [
    ...environment.known.filter(({ keys }) => keys.some(isMeant)).map(variableOf),
    ...Object.keys(file)
      .filter(isMeant)
      .map((key) => `${key} in ${CONFIG_FILE}`),
  ];
  const kept: Values = Object.fromEntries(Object.entries(values).filter(([key]) => !isForeign(key)));
  return {
    prompt: prompt ?? '',
    values: withAbsolutePaths(kept, host),
    options,
    typed: typedCommand(command),
    json: flags.json === true,
    quiet: flags.quiet === true,
    warnings: environment.warnings,
    notes: [
      ...passedOverNote(passedOver(isForeign), title),
      ...passedOverNote(
        passedOver((key) => !own.has(key) && !isForeign(key)),
        `sgool ${command.name()}`,
      ),
      ...(own.has('frames') ? [] : motionNotes(kept)),
    ],
  };
}

/** What a picture does not read of the options about parts of a model. */
export const motionNotes = ({ motion }: Values): string[] =>
  motion === undefined
    ? []
    : [`the motion adapter ${motion} changes nothing in a picture; for a clip: sgool video`];

/** @throws UserError where there is no prompt, or two sources of it */
function checkGivenPrompt(prompt: string | undefined, { prompts, allowEmpty }: Values): void {
  if (prompts !== undefined) {
    if (prompt === undefined) return;
    throw usageError(`--prompts: the prompts come from ${prompts}; leave out the prompt on the command line`);
  }
  if (prompt === undefined) throw usageError("missing required argument 'prompt'");
  if (allowEmpty !== true) checkPrompt(prompt, ', or add --allow-empty');
}

function absoluteTarget(text: string, host: Host): string {
  const target = parseTargetFile(text, '--target-image');
  return targetFileText({ ...target, path: inputPath(target.path, host) });
}

function withAbsolutePaths({ maskFile, targetImage, prompts, ...rest }: Values, host: Host): Values {
  return {
    ...rest,
    ...(maskFile === undefined ? {} : { maskFile: inputPath(maskFile, host) }),
    ...(targetImage === undefined
      ? {}
      : { targetImage: targetImage.map((text) => absoluteTarget(text, host)) }),
    ...(prompts === undefined ? {} : { prompts: inputPath(prompts, host) }),
  };
}

function passedOverNote(names: readonly string[], title: string): string[] {
  if (names.length === 0) return [];
  const [verb, options] = names.length === 1 ? ['is', 'option'] : ['are', 'options'];
  return [`${listOf(names)} ${verb} passed over: ${title} has no such ${options}`];
}

/** The whole command line as it was typed. */
export function typedCommand(command: Command): string {
  if (command.parent) return typedCommand(command.parent);
  const typed = (command as Command & { rawArgs?: string[] }).rawArgs ?? [];
  return ['sgool', ...typed].map(quoteArgument).join(' ');
}

interface EnvironmentValues {
  /** Options of the command that variables set. */
  readonly given: readonly { readonly option: CliOption; readonly values: OptionValues }[];
  /** Options of any command that variables set. */
  readonly known: readonly CliOption[];
  /** One for each variable that looks like a misspelt one of ours. */
  readonly warnings: readonly string[];
}

/** The values of the environment. */
function environmentValues(env: Host['env'], options: readonly CliOption[]): EnvironmentValues {
  const byName = (some: readonly CliOption[]) =>
    new Map(some.flatMap((option) => variablesOf(option).map((name) => [name, option] as const)));
  const own = byName(options);
  const all = byName(anyImageOptions());
  const names = [...own.keys(), ...OTHER_VARIABLES];
  const given: { name: string; option: CliOption; values: OptionValues }[] = [];
  const known: CliOption[] = [];
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SGOOL_') || text === undefined || text === '') continue;
    const option = own.get(name);
    if (option !== undefined) given.push({ name, option, values: option.parse(text, name) });
    const any = option ?? all.get(name);
    if (any !== undefined) known.push(any);
    if (any !== undefined || OTHER_VARIABLES.includes(name)) continue;
    const meaning = meaningOf(name.slice('SGOOL_'.length), (flag) => own.has(variableOf({ flag })));
    const meant = meaning && 'flag' in meaning ? variableOf(meaning) : closest(name, names);
    if (meaning && 'text' in meaning) {
      warnings.push(`the environment variable ${name} has no meaning: ${meaning.text}`);
    } else if (meant !== undefined) {
      warnings.push(`the environment variable ${name} has no meaning (did you mean ${meant}?)`);
    }
  }
  refuseTwice(given);
  return { given, known, warnings };
}

/**
 * The values of `sgool.config.json`: an object with the keys of a request, for instance
 * `{ "model": "toybox", "guidanceScale": 5, "out": "images" }`. The name of a flag is a key as well: `guidance`, `size`,
 * `no-metadata`. It may hold keys that another command has.
 *
 * @throws UserError where it is unreadable, no object, or has an unknown key or one twice, or two keys say the same
 */
async function fileValues(cwd: string): Promise<Values> {
  const text = disk.readText(join(cwd, CONFIG_FILE), SIZE_LIMITS.settings);
  if (text === undefined) return {};
  const content = parseJsonObject(text, CONFIG_FILE);
  const given = Object.entries(content)
    .filter(([key]) => key !== '$schema')
    .map(([key, value]) => ({ name: `${CONFIG_FILE}: ${key}`, values: fileValue(key, value) }));
  refuseTwice(given);
  return Object.assign({}, ...given.map(({ values }) => values));
}

/** The values of one entry of the file, by the key of a value or by the name of a flag. */
function fileValue(key: string, value: unknown): OptionValues {
  const who = `${CONFIG_FILE}: ${key}`;
  const known = Object.keys(VALUE_SCHEMAS);
  if (known.includes(key)) {
    return { [key]: checkValue(VALUE_SCHEMAS[key as keyof typeof VALUE_SCHEMAS], value, who) };
  }
  const flags = new Map(
    anyImageOptions().flatMap((option) =>
      [option.flag, ...(option.aliases ?? [])].map((flag) => [flag, option] as const),
    ),
  );
  const name = kebabName(key);
  const option = flags.get(name) ?? flags.get(name.replace(/^no-/, ''));
  if (option !== undefined) {
    const [first] = option.keys;
    const isSwitch = option.argument === undefined;
    if (isSwitch && !flags.has(name)) {
      const schema = VALUE_SCHEMAS[first as keyof typeof VALUE_SCHEMAS];
      return { [first]: checkValue(schema, value, who) !== true };
    }
    if (flags.has(name)) {
      if (option.keys.length > 1) return option.parse(String(value), who);
      return { [first]: checkValue(VALUE_SCHEMAS[first as keyof typeof VALUE_SCHEMAS], value, who) };
    }
  }
  const meaning = meaningOf(key, (flag) => flags.has(flag));
  const hint =
    meaning === undefined
      ? didYouMean(key, known)
      : 'text' in meaning
        ? `: ${meaning.text}`
        : ` (did you mean ${meaning.flag}?)`;
  throw new UserError(`${CONFIG_FILE}: unknown key ${key}${hint}; choose from ${known.join(', ')}`);
}
