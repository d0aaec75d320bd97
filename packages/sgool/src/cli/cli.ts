/**
 * @file The commands and their help, and how one command line is run: whatever happens becomes an exit code and, where it failed,
 * one clear line. Only the command that was typed is loaded.
 */
import { Command, CommanderError } from 'commander';
import { UserError } from '../errors.ts';
import { COMMANDS, wantedBy } from './command-table.ts';
import { EXIT_CODES, USAGE_ERROR } from './exit-codes.ts';
import type { Host } from './host.ts';
import { machineReason } from './machine-reason.ts';
import { checkPlaces } from './options/empty-places.ts';
import { meaningOf } from './options/other-names.ts';
import { oneLine } from './terminal/format.ts';
import { packageVersion } from './version.ts';

const EXAMPLES = `
Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method sd --seed 7 --json
  sgool refine image.png "a blue cat and a green cup"
  sgool repeat image.png
  sgool resume sgool-output/2026-11-22-a-red-cat-7
  sgool score image.png "a red cat"
  sgool models inspect toybox

sgool <command> --help shows the options of a command.`;

/** Exit codes, for the help. */
const CODES = `
Exit codes:
${EXIT_CODES.map(([code, meaning]) => wrapped(`  ${code.padEnd(13)}  ${meaning}`, 17)).join('\n')}`;

/** A line of the help, broken before 80 characters; further lines are indented. */
function wrapped(line: string, indent: number): string {
  const lines = [''];
  for (const word of line.match(/\s*\S+/g) ?? []) {
    const last = lines.length - 1;
    if (lines[last].length + word.length <= 80) lines[last] += word;
    else lines.push(' '.repeat(indent) + word.trimStart());
  }
  return lines.join('\n');
}

/**
 * Runs `sgool` with these arguments.
 *
 * @returns the exit code, one of those in exit-codes.ts
 */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  try {
    const command = await createCommand(argv, host);
    await command.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, host);
  }
}

/** The command `sgool`. The subcommand named in `argv` is complete; the others have only their names and summaries. */
async function createCommand(argv: readonly string[], host: Host): Promise<Command> {
  const sgool = new Command('sgool')
    .description('Text-to-image diffusion that follows the prompt.')
    .version(await packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', `${CODES}\n${EXAMPLES}`)
    .showSuggestionAfterError()
    // An option after the name of a subcommand is the subcommand's, though the command before it has one of the same name.
    .enablePositionalOptions()
    .configureHelp({ helpWidth: host.stdout.columns })
    .exitOverride()
    .hook('preAction', (_, command) => checkPlaces(command))
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(`sgool: ${usageLine(text, flagsOf(sgool, wanted))}\n`),
    });
  const wanted = wantedBy(argv)?.name;
  for (const { name, summary, load } of COMMANDS) {
    const command = sgool.command(name).description(summary).helpOption('-h, --help', 'show this help');
    if (name === wanted) (await load()).configure(command, host);
  }
  return sgool;
}

/** The flags of a command, and of its subcommands. */
function flagsOf(sgool: Command, name: string | undefined): ReadonlySet<string> {
  const command = sgool.commands.find((one) => one.name() === name);
  const all = command === undefined ? [] : [command, ...command.commands];
  return new Set(all.flatMap(({ options }) => options.map(({ long }) => (long ?? '').slice(2))));
}

/** Commander's message in our form, on one line. An option of another tool is answered by what it means. */
function usageLine(text: string, flags: ReadonlySet<string>): string {
  const line = commanderLine(text);
  const [, name] = /^unknown option '(-[^'=]+)/.exec(line) ?? [];
  const meaning = name === undefined ? undefined : meaningOf(name, (flag) => flags.has(flag));
  if (meaning === undefined) return line;
  return 'flag' in meaning
    ? `unknown option '${name}' (did you mean --${meaning.flag}?)`
    : `unknown option '${name}': ${meaning.text}`;
}

function commanderLine(text: string): string {
  return oneLine(text)
    .replace(/^error: /, '')
    .replace('(Did you mean', '(did you mean')
    .replace(
      /^(too many arguments for '(generate|refine|detail)'.*?)\.?$/,
      (_, message, name) =>
        `${message}; put the prompt in quotes: sgool ${name}${name === 'generate' ? '' : ' image.png'} "a red cat"`,
    );
}

function report(error: unknown, { stderr, env }: Host): number {
  const debug = env.SGOOL_DEBUG !== undefined && env.SGOOL_DEBUG !== '' && env.SGOOL_DEBUG !== '0';
  // Commander has written its own message, the help or the version by now.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
  if (debug) stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  if (error instanceof UserError) {
    stderr.write(`sgool: ${oneLine(error.message)}\n`);
    return error.exitCode;
  }
  const machine = machineReason(error);
  if (machine !== undefined) {
    stderr.write(`sgool: ${oneLine(machine)}\n`);
    return 1;
  }
  const message = oneLine(error instanceof Error ? error.message : String(error));
  stderr.write(`sgool: unexpected error: ${message}\n`);
  if (!debug) stderr.write('set SGOOL_DEBUG=1 for the stack trace\n');
  return 1;
}
