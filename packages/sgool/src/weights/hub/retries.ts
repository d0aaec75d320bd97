/** @file Failures of the network that may pass, and asking again after them. */
import { UserError } from '../../errors.ts';

/** The network failed in a way that may pass: cut, stalled, busy. */
export class HubInterruption extends Error {
  override readonly name = 'HubInterruption';
}

/** Asks again after interruptions; the last one becomes a `UserError`. */
export async function withRetries<T>(
  question: () => Promise<T>,
  { retries, retryDelay, signal }: { retries: number; retryDelay: number; signal?: AbortSignal },
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof HubInterruption)) throw error;
      if (failures >= retries) throw new UserError(`${error.message}; try again later`, { cause: error });
      await pause(retryDelay * 2 ** failures, signal);
    }
  }
}

/** Waits; an abort ends the wait with its reason. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
