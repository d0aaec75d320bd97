/** @file Runs one command line and turns whatever happens into an exit code and, where it failed, one clear line. */
import { CommanderError } from 'commander';
import { UserError } from '../errors.ts';
import { USAGE_ERROR } from './exit-codes.ts';
import type { Host } from './host.ts';
import { createProgram } from './program.ts';
import { oneLine } from './terminal/format.ts';

/**
 * Runs `sgool` with these arguments.
 *
 * @returns the exit code: 0 done, 1 failed, 2 the command line was wrong, 130 stopped by Ctrl-C
 */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  try {
    const program = await createProgram(argv, host);
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, host);
  }
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
