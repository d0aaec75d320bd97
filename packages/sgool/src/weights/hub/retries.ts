/** @file Temporary failures of the network, and retries. */
import { UserError } from '../../errors.ts';
import type { HubLimits } from './limits.ts';

/** A temporary failure of the network: a cut, slow or busy connection. */
export class HubInterruption extends Error {
  override readonly name = 'HubInterruption';
  /** Milliseconds that the server asks to wait. */
  readonly retryAfter: number;

  constructor(message: string, options?: ErrorOptions & { retryAfter?: number }) {
    super(message, options);
    this.retryAfter = options?.retryAfter ?? 0;
  }
}

/**
 * The milliseconds that a server asks to wait: a number of seconds, or a date.
 *
 * Reference: RFC 9110, section 10.2.3
 */
export function retryAfter(headers: Headers, now = Date.now()): number {
  const text = headers.get('retry-after')?.trim() ?? '';
  const wait = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - now;
  return Number.isNaN(wait) ? 0 : Math.max(0, wait);
}

/**
 * Waits before a retry.
 *
 * @param failures number of consecutive failures, this one included
 * @throws UserError when there were too many, or the server asks for a longer wait than anybody would want
 */
export async function pauseBeforeRetry(
  interruption: HubInterruption,
  failures: number,
  { retries, retryDelay, longestWait }: HubLimits,
  { signal, advice }: { signal?: AbortSignal; advice: string },
): Promise<void> {
  const { message, retryAfter: asked } = interruption;
  if (asked > longestWait) {
    throw new UserError(`${message} and asks to wait ${Math.ceil(asked / 1000)} s; ${advice}`, {
      cause: interruption,
    });
  }
  if (failures > retries) throw new UserError(`${message}; ${advice}`, { cause: interruption });
  const backoff = Math.min(longestWait, retryDelay * 2 ** Math.max(0, failures - 1));
  await pause(Math.max(asked, backoff), signal);
}

/** Retries after interruptions; the last one becomes a `UserError`. */
export async function withRetries<T>(
  question: () => Promise<T>,
  limits: HubLimits,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof HubInterruption)) throw error;
      await pauseBeforeRetry(error, failures, limits, { signal, advice: 'try again later' });
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
