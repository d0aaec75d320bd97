/** @file What the commands that make images have in common before they begin: their options, from all three sources. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { UserError } from '../../errors.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import { quoteArgument } from '../terminal/format.ts';
import type { CliOption, Values } from './options.ts';
import { checkPrompt } from './prompt.ts';
import { environmentValues, fileValues } from './values.ts';

/** A command line, read. */
export interface ImageCommand {
  readonly prompt: string;
  readonly values: Values;
  /** Those that the command has. */
  readonly options: readonly CliOption[];
  /** The command as it was typed. */
  readonly typed: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly warnings: readonly string[];
}

/** Adds the options, and those that all such commands have. */
export function addImageOptions(command: Command, options: readonly CliOption[]): Command {
  for (const option of options) for (const each of commanderOptions(option)) command.addOption(each);
  return command
    .addOption(
      new Option('--json', 'print one JSON object on stdout instead of the path').helpGroup('Output:'),
    )
    .addOption(new Option('-q, --quiet', 'no progress').helpGroup('Output:'));
}

/**
 * Reads what was typed, the environment and the file in the working folder.
 *
 * @param flags what Commander made of the command line
 * @throws UserError where the prompt is empty or a value is not usable
 */
export async function readImageCommand(
  command: Command,
  prompt: string,
  flags: Readonly<Record<string, unknown>>,
  options: readonly CliOption[],
  host: Host,
): Promise<ImageCommand> {
  checkPrompt(prompt);
  const environment = environmentValues(host.env, options);
  const values = {
    ...valuesFor(options, await fileValues(host.cwd)),
    ...environment.values,
    ...commandLineValues(flags, options),
  };
  return {
    prompt,
    values: values.maskFile ? { ...values, maskFile: resolve(host.cwd, values.maskFile) } : values,
    options,
    typed: typedCommand(command),
    json: flags.json === true,
    quiet: flags.quiet === true,
    warnings: environment.warnings,
  };
}

/** The file is for all commands: each takes what it has an option for. */
function valuesFor(options: readonly CliOption[], values: Values): Values {
  const known = new Set<string>(options.flatMap(({ keys }) => keys));
  return Object.fromEntries(Object.entries(values).filter(([key]) => known.has(key)));
}

/** The whole command line as it was typed. */
function typedCommand(command: Command): string {
  const typed = (command.parent as (Command & { rawArgs?: string[] }) | null)?.rawArgs ?? [];
  return ['sgool', ...typed].map(quoteArgument).join(' ');
}

const attributeOf = ({ flag }: CliOption) =>
  flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** A value, or for a switch a pair, of which the help shows one. */
function commanderOptions(option: CliOption): Option[] {
  const { flag, argument, description, group, negated = false } = option;
  const who = `--${flag}`;
  if (argument === undefined) {
    const on = new Option(who, description).helpGroup(group).hideHelp(negated);
    const off = new Option(`--no-${flag}`, description).helpGroup(group).hideHelp(!negated);
    return [on, off];
  }
  const parse = (text: string) => {
    try {
      return option.parse(text, who);
    } catch (error) {
      if (error instanceof UserError) throw new UserError(error.message, { exitCode: USAGE_ERROR });
      throw error;
    }
  };
  return [new Option(`${who} <${argument}>`, description).helpGroup(group).argParser(parse)];
}

/** What the command line says. */
function commandLineValues(flags: Readonly<Record<string, unknown>>, options: readonly CliOption[]): Values {
  let values: Values = {};
  for (const option of options) {
    const given = flags[attributeOf(option)];
    if (given === undefined) continue;
    values = { ...values, ...(typeof given === 'boolean' ? { [option.keys[0]]: given } : (given as Values)) };
  }
  return values;
}
