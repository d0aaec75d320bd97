/** @file The two kinds of errors: a user's mistakes, and bugs. */

/**
 * A mistake of the user, or a fault in a file that the user gave. The message is one line: what was wrong, the value, what
 * would be right.
 *
 * The command line prints `message` and exits with `exitCode`. An error of any other class is a bug in sgool.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;

  constructor(message: string, { exitCode = 1, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(shortened(printable(message)), cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}

/** Longest message, in characters. */
const LONGEST = 1000;

/** Files may hold values of any length, and messages quote them: the middle of a long message is left out. */
function shortened(message: string): string {
  if (message.length <= LONGEST) return message;
  return `${message.slice(0, 700)} ... ${message.slice(-(LONGEST - 705))}`;
}

/** Names in files may hold escape sequences, which would act on the terminal; they are shown as `\\u001b`. */
export function printable(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return message.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/**
 * Returns a value that the surrounding code guarantees to exist.
 *
 * @param what names the value in the message
 * @throws Error (a bug) when the value is missing
 */
export function required<T>(value: T | null | undefined, what = 'value'): T {
  if (value === null || value === undefined) throw new Error(`bug: a required ${what} is missing`);
  return value;
}
