/** @file The kinds of errors: a user's mistakes, numbers that are not finite, and bugs. */

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

/**
 * NaN or an infinity where numbers must be finite: in what a network gives, or in what is computed from it. A run that meets one
 * ends, and keeps the best image until then.
 */
export class NotFiniteError extends UserError {}

/**
 * Runs a part of a run, so that a NotFiniteError in it names the place.
 *
 * @param place such as `step 3 of 20`; asked for when there is an error
 * @throws NotFiniteError as `part` does, with the place in front; anything else unchanged
 */
export async function withinPlace<T>(place: () => string, part: () => Promise<T>): Promise<T> {
  try {
    return await part();
  } catch (error) {
    if (!(error instanceof NotFiniteError)) throw error;
    throw new NotFiniteError(`${place()}: ${error.message}`, { cause: error });
  }
}

/** Names to choose from: `a`, `a or b`, `a, b or c`. */
export function oneOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** Longest message, in characters. */
const LONGEST = 1000;

/** Files may hold values of any length, and messages quote them: the middle of a long message is left out. */
function shortened(message: string): string {
  if (message.length <= LONGEST) return message;
  return `${message.slice(0, 700)} ... ${message.slice(-(LONGEST - 705))}`;
}

/** The control characters of ASCII but the line feed, those of Latin-1, and those of Unicode that turn or break lines. */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * Names in files may hold escape sequences, which would act on the terminal, and marks that show a text in another order; they are shown
 * as `\\u001b`. In JSON that is the same text.
 */
export function printable(message: string): string {
  return message.replace(
    CONTROLS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
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
