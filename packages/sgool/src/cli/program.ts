/** @file The commands and their help. Only the command that is asked for is loaded. */
import { Command } from 'commander';
import type { Host } from './host.ts';
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
    summary: 'make an image for a prompt, and make it fit the prompt better',
    load: () => import('./commands/generate.ts'),
  },
  {
    name: 'refine',
    summary: 'change an image that exists until it fits a prompt better',
    load: () => import('./commands/refine.ts'),
  },
  {
    name: 'saliency',
    summary: 'show where the eye goes in an image',
    load: () => import('./commands/saliency.ts'),
  },
  {
    name: 'score',
    summary: 'how well an image fits a prompt: CLIP scores, preference models',
    load: () => import('./commands/score.ts'),
  },
  {
    name: 'models',
    summary: 'list, inspect, fetch and check models',
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'methods',
    summary: 'list the methods that make images',
    load: () => import('./commands/methods.ts'),
  },
];

const EXAMPLES = `
Examples:
  sgool generate "a red cat to the left of a blue boat"
  sgool generate "a green star above a house" --method sd --seed 7 --json
  sgool refine image.png "a blue cat and a green cup"
  sgool score image.png "a red cat"
  sgool models inspect toybox

sgool <command> --help shows the options of a command.`;

/** Builds the program; the command named in `argv` is complete, of the others only the name and summary are there. */
export async function createProgram(argv: readonly string[], host: Host): Promise<Command> {
  const program = new Command('sgool')
    .description('Text-to-image diffusion that does what the prompt says.')
    .version(await packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .configureHelp({ helpWidth: host.stdout.columns })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(`sgool: ${usageLine(text)}\n`),
    });
  const wanted = argv.find((argument) => COMMANDS.some(({ name }) => name === argument));
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).description(summary).helpOption('-h, --help', 'show this help');
    if (name === wanted) (await load()).configure(command, host);
  }
  return program;
}

/** Commander's message in our form, on one line. */
function usageLine(text: string): string {
  return oneLine(text)
    .replace(/^error: /, '')
    .replace('(Did you mean', '(did you mean')
    .replace(
      /^(too many arguments for '(generate|refine)'.*?)\.?$/,
      (_, message, name) =>
        `${message}; put the prompt in quotes: sgool ${name}${name === 'refine' ? ' image.png' : ''} "a red cat"`,
    );
}
