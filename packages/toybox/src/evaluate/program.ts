/** @file Shared by the programs of this folder: arguments, Ctrl-C, and errors in one line. */

import { UserError } from 'sgool';

/**
 * Runs a program to its end. A user's mistake ends it in one line, Ctrl-C stops it between two network calls.
 *
 * @param main gets a signal that the first Ctrl-C aborts; a second one ends the process at once
 */
export async function runProgram(name: string, main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stderr.write(`\n${name}: stopping; finished results are kept, the same command resumes\n`);
      stop.abort(new Error('stopped'));
    });
  }
  try {
    await main(stop.signal);
  } catch (error) {
    if (stop.signal.aborted) process.exitCode = 130;
    else if (error instanceof UserError || isArgumentError(error)) {
      process.stderr.write(`${name}: ${error.message}\n`);
      process.exitCode = error instanceof UserError ? error.exitCode : 2;
    } else throw error;
  }
}

/** Node's `parseArgs` throws these for options that it does not know. */
function isArgumentError(error: unknown): error is Error {
  return error instanceof TypeError && String((error as { code?: string }).code).startsWith('ERR_PARSE_ARGS');
}

/** The whole number that an option gives. @throws UserError where it is none, or below `least` */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new UserError(
      `${option}: not usable, got ${text || 'nothing'}; give a whole number from ${least}`,
      {
        exitCode: 2,
      },
    );
  }
  return value;
}

/** The names that an option gives, separated by commas. @throws UserError where one is not among `known` */
export function namesFrom<Name extends string>(option: string, text: string, known: readonly Name[]): Name[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (known.includes(name as Name)) continue;
    throw new UserError(
      `${option}: unknown, got ${name || 'nothing'}; choose from ${known.join(', ')}, separated by commas`,
      { exitCode: 2 },
    );
  }
  return [...new Set(names)] as Name[];
}
