/** @file `sgool generate <prompt>`: reads the options; `generation.ts` does the work. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import { quoteArgument } from './format.ts';
import { generatePicture } from './generation.ts';
import type { Host } from './host.ts';
import { type CliOption, cliOptions, type Values } from './options.ts';
import { environmentValues, fileValues } from './values.ts';

const NOTES = `
Defaults depend on method and model; run.json lists every one that was used. Options come from the command line, else
from the environment (--guidance is SGOOL_GUIDANCE), else from sgool.config.json in this folder ({ "guidanceScale": 5 }).

The folder of a run holds image.png (the best picture so far), before.png (the plain one), saliency.png, progress.png and
run.json. The path of image.png goes to stdout, progress to stderr. Ctrl-C stops and keeps the best so far.

Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method doodl --seed 7 --iterations 20
  sgool generate "two yellow ducks" --method best-of --iterations 9 --out ducks
  sgool generate "a cat in a window" --saliency mask --mask window.png
  sgool generate "a purple fish" --method sd --json --quiet`;

/** Adds arguments, options and the action. */
export function configure(command: Command, host: Host): void {
  const options = cliOptions();
  command.argument('<prompt>', 'what the picture should show');
  for (const option of options) for (const each of commanderOptions(option)) command.addOption(each);
  command
    .addOption(
      new Option('--json', 'print one JSON object on stdout instead of the path').helpGroup('Output:'),
    )
    .addOption(new Option('-q, --quiet', 'no progress').helpGroup('Output:'))
    .addHelpText('after', NOTES)
    .action(async (prompt: string, flags: Readonly<Record<string, unknown>>) => {
      if (prompt.trim() === '') {
        throw new UserError('prompt: must not be empty; say what the picture should show', {
          exitCode: USAGE_ERROR,
        });
      }
      const environment = environmentValues(host.env, options);
      const values = {
        ...(await fileValues(host.cwd)),
        ...environment.values,
        ...commandLineValues(flags, options),
      };
      await generatePicture(
        {
          prompt,
          values: values.maskFile ? { ...values, maskFile: resolve(host.cwd, values.maskFile) } : values,
          options,
          typed: typedCommand(command),
          json: flags.json === true,
          quiet: flags.quiet === true,
          warnings: environment.warnings,
        },
        host,
      );
    });
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
