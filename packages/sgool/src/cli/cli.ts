/**
 * @file The commands and their help, and how one command line is run: whatever happens becomes an exit code and, where it failed,
 * one clear line. Only the command that was typed is loaded.
 */
import { Command, CommanderError } from 'commander';
import { UserError } from '../errors.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import type { Host } from './host.ts';
import { meaningOf } from './options/other-names.ts';
import { oneLine } from './terminal/format.ts';
import { packageVersion } from './version.ts';

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ configure(command: Command, host: Host): void }>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'generate',
    summary: 'make an image that matches a prompt',
    load: () => import('./commands/generate.ts'),
  },
  {
    name: 'refine',
    summary: 'change an image until it matches a prompt better',
    load: () => import('./commands/refine.ts'),
  },
  {
    name: 'repeat',
    summary: 'make an image again from what it says of itself',
    load: () => import('./commands/repeat.ts'),
  },
  {
    name: 'saliency',
    summary: 'show the salient regions of an image',
    load: () => import('./commands/saliency.ts'),
  },
  {
    name: 'score',
    summary: 'score how well an image matches a prompt: CLIP and preference models',
    load: () => import('./commands/score.ts'),
  },
  {
    name: 'prompt',
    summary: 'show how a prompt is read: weights, changes, chunks, tags',
    load: () => import('./commands/prompt.ts'),
  },
  {
    name: 'evaluate',
    summary: 'run methods over prompt suites, score every image, report',
    load: () => import('./commands/evaluate.ts'),
  },
  {
    name: 'worker',
    summary: 'run the cells of evaluations from a queue, on many machines',
    load: () => import('./commands/worker.ts'),
  },
  {
    name: 'suites',
    summary: 'list, add and fetch the prompt suites of evaluations',
    load: () => import('./commands/suites.ts'),
  },
  {
    name: 'models',
    summary: 'list, inspect, download and check models',
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'methods',
    summary: 'list the methods and their options',
    load: () => import('./commands/methods.ts'),
  },
];

const EXAMPLES = `
Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method sd --seed 7 --json
  sgool refine image.png "a blue cat and a green cup"
  sgool repeat image.png
  sgool score image.png "a red cat"
  sgool models inspect toybox

sgool <command> --help shows the options of a command.`;

/**
 * Runs `sgool` with these arguments.
 *
 * @returns the exit code: 0 done, 1 failed, 2 the command line was wrong, 130 stopped by Ctrl-C
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
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    // What stands after a command belongs to it: --json of evaluate status is not that of evaluate.
    .enablePositionalOptions()
    .configureHelp({ helpWidth: host.stdout.columns })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(`sgool: ${usageLine(text, flagsOf(sgool, wanted))}\n`),
    });
  const wanted = argv.find((argument) => COMMANDS.some(({ name }) => name === argument));
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
      /^(too many arguments for '(generate|refine)'.*?)\.?$/,
      (_, message, name) =>
        `${message}; put the prompt in quotes: sgool ${name}${name === 'refine' ? ' image.png' : ''} "a red cat"`,
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
  const message = oneLine(error instanceof Error ? error.message : String(error));
  stderr.write(`sgool: unexpected error: ${message}\n`);
  if (!debug) stderr.write('set SGOOL_DEBUG=1 for the stack trace\n');
  return 1;
}
