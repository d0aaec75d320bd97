/** @file Temporary failures of the network, and retries. */
import { UserError } from '../../errors.ts';

/** A temporary failure of the network: a cut, stalled or busy connection. */
export class HubInterruption extends Error {
  override readonly name = 'HubInterruption';
}

/** Retries after interruptions; the last one becomes a `UserError`. */
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

/** Waits. @throws the signal's reason when it is aborted */
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
