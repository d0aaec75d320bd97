/** @file The command line in a process of its own, from the sources. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Arguments of Node for a program of the sources, before the program's own. */
const argumentsFor = (program: string): readonly string[] => [
  '--import',
  import.meta.resolve('./with-tsx.mjs'),
  '--conditions',
  '@sgool/source',
  fileURLToPath(new URL(program, import.meta.url)),
];
/** For the command line. */
export const SGOOL_ARGUMENTS = argumentsFor('../src/cli/main.ts');
/** For the one with the fake model. */
export const FAKE_ARGUMENTS = argumentsFor('fake-sgool.ts');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines of stderr. */
  readonly lines: string[];
  /** stdout as it came. */
  readonly bytes: Buffer;
}

export interface RunWith {
  /** Sends a signal as soon as this stands in stderr. */
  readonly interruptAt?: string;
  /** Default SIGINT. */
  readonly signals?: readonly NodeJS.Signals[];
  /** The standard input. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Variables that it does not inherit. */
  readonly without?: readonly string[];
  /** Default {@link SGOOL_ARGUMENTS}. */
  readonly program?: readonly string[];
}

/** Runs `sgool` to its end. */
export function runSgool(
  cwd: string,
  words: readonly string[],
  {
    interruptAt,
    signals = ['SIGINT'],
    input = '',
    env: more = {},
    without = [],
    program = SGOOL_ARGUMENTS,
  }: RunWith = {},
): Promise<Ended> {
  // Variables of whoever runs the tests must not change what they see.
  const inherited = (name: string) => !name.startsWith('SGOOL_') && !without.includes(name);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => inherited(name)));
  const child = spawn(process.execPath, [...program, ...words], { cwd, env: { ...env, ...more } });
  const stdout: Buffer[] = [];
  let [stderr, interrupted] = ['', false];
  // It may end before it has read everything.
  child.stdin.on('error', () => {}).end(input);
  child.stdout.on('data', (part: Buffer) => stdout.push(part));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (interrupted || interruptAt === undefined || !stderr.includes(interruptAt)) return;
    interrupted = true;
    for (const signal of signals) child.kill(signal);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit, signal) => {
      // As a shell shows it.
      const code = signal === null ? exit : 128 + constants.signals[signal];
      const bytes = Buffer.concat(stdout);
      resolve({ code, bytes, stdout: bytes.toString('utf8'), lines: stderr.split('\n').slice(0, -1) });
    });
  });
}
