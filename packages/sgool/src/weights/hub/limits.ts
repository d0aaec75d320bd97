/**
 * @file How long and how large the answers of a Hub may be. A server that is broken, or means harm, costs a bounded time, memory and
 * disk. Times in milliseconds.
 */

/** Limits of the requests to a Hub. */
export interface HubLimits {
  /** Number of consecutive interruptions without progress before it gives up. */
  readonly retries: number;
  /** Wait before the first retry; each further wait is twice as long, up to `longestWait`. */
  readonly retryDelay: number;
  /** The longest wait before a retry, also where the server asks for a longer one (`Retry-After`). */
  readonly longestWait: number;
  /** Time without `lowestSpeed` after which a connection counts as cut; also that from a request to its answer. */
  readonly stall: number;
  /** In bytes a second. curl names the same rule `--speed-limit`. */
  readonly lowestSpeed: number;
  /** Largest answer that is no file, unpacked, in bytes: a page of a list has at most 1000 entries of some 500 bytes. */
  readonly answerBytes: number;
  /** Longest time for a question, with all of its pages and retries. */
  readonly questionTime: number;
  /** Most pages of a list. */
  readonly pages: number;
  /** Longest time for a file, with all retries: this, and that of its bytes at `lowestAverage` bytes a second. */
  readonly fileTime: number;
  readonly lowestAverage: number;
  /** Most redirects of one request. The public Hub needs two. */
  readonly redirects: number;
}

export const HUB_LIMITS: HubLimits = {
  retries: 5,
  retryDelay: 500,
  longestWait: 60_000,
  stall: 30_000,
  lowestSpeed: 1000,
  answerBytes: 16e6,
  questionTime: 300_000,
  pages: 1000,
  fileTime: 600_000,
  lowestAverage: 10_000,
  redirects: 5,
};

/** Timers hold no more: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The longest time for a file of so many bytes. */
export const fileTime = (size: number, { fileTime: least, lowestAverage }: HubLimits): number =>
  Math.min(LONGEST_TIMER, Math.round(least + (1000 * size) / lowestAverage));

/**
 * A signal that also fires when a connection is slower than `lowestSpeed` for the time `stall`.
 *
 * @returns `restart` begins a new stretch of time, when the answer begins; `got` counts bytes; `stop` ends the watch
 */
export function watchSpeed({ stall, lowestSpeed }: HubLimits, signal: AbortSignal) {
  const slow = new AbortController();
  let bytes = 0;
  const timer = setInterval(() => {
    if (bytes < (lowestSpeed * stall) / 1000) slow.abort();
    bytes = 0;
  }, stall);
  return {
    signal: AbortSignal.any([signal, slow.signal]),
    isSlow: () => slow.signal.aborted,
    restart() {
      bytes = 0;
      timer.refresh();
    },
    got(length: number) {
      bytes += length;
    },
    stop: () => clearInterval(timer),
  };
}
