/** @file The command line in a process of its own, from the sources. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const ARGUMENTS = ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', MAIN];

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  /** Lines of stderr. */
  readonly lines: string[];
}

/**
 * Runs `sgool` to its end.
 *
 * @param interruptAt sends SIGINT as soon as this stands in stderr
 */
export function runSgool(
  cwd: string,
  words: readonly string[],
  { interruptAt }: { interruptAt?: string } = {},
): Promise<Ended> {
  // Variables of whoever runs the tests must not change what they see.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SGOOL_')));
  const child = spawn(process.execPath, [...ARGUMENTS, ...words], { cwd, env });
  let [stdout, stderr, interrupted] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (interrupted || interruptAt === undefined || !stderr.includes(interruptAt)) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, lines: stderr.split('\n').slice(0, -1) }));
  });
}
