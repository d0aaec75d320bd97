/** @file The error of a command line that cannot be understood. */
import { UserError } from '../errors.ts';
import { USAGE_ERROR } from './exit-codes.ts';

/** An error in one line that ends the process with {@link USAGE_ERROR}. */
export const usageError = (message: string): UserError => new UserError(message, { exitCode: USAGE_ERROR });

/** What `read` reads from the command line; a mistake that it finds there ends the process with {@link USAGE_ERROR}. */
export function fromCommandLine<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UserError ? usageError(error.message) : error;
  }
}
