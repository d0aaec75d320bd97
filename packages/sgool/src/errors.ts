/**
 * A mistake of the person at the keyboard, or a fault of a file they gave: one clear line, no stack trace.
 *
 * The command line prints `message` and exits with `exitCode`; anything that is not a `UserError` is a bug of ours.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly exitCode: number;

  constructor(message: string, { exitCode = 1, cause }: { exitCode?: number; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
  }
}
