/** @file The standard output and the standard error of the process. Everything that is written to them goes through here. */
import { fileSystemReason } from '../../platform/file-errors.ts';
import { FAILED, READER_GONE } from '../exit-codes.ts';
import type { Sink } from './terminal.ts';

/** What a stream of the process has of a stream. */
export interface OutputStream {
  write(chunk: string | Uint8Array, done: (error?: Error | null) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'resize', listener: () => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly _handle?: { setBlocking?(isBlocking: boolean): void };
}

type StreamName = 'the standard output' | 'the standard error';

/** A stream that goes on after a failed write, and remembers it. Nothing is written after the first failure. */
class SafeStream implements Sink {
  failure: NodeJS.ErrnoException | undefined;
  readonly #stream: OutputStream;
  readonly #onFailure: (error: NodeJS.ErrnoException) => void;
  #pending: Promise<void> = Promise.resolve();

  constructor(stream: OutputStream, onFailure: (error: NodeJS.ErrnoException) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
    stream.on('error', (error) => this.#fail(error));
    // A pipe whose reader has fallen asleep must not keep this thread from hearing signals. Node has no public way to say so.
    if (stream.isTTY !== true) stream._handle?.setBlocking?.(false);
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  get columns(): number | undefined {
    return this.#stream.columns;
  }

  write(chunk: string | Uint8Array): void {
    if (this.failure) return;
    const written = new Promise<void>((resolve) => {
      const done = (error?: Error | null) => {
        if (error) this.#fail(error);
        resolve();
      };
      try {
        this.#stream.write(chunk, done);
      } catch (error) {
        // Files are written at once, and some versions of Node throw at once.
        done(error as Error);
      }
    });
    this.#pending = this.#pending.then(() => written);
  }

  /** Waits until everything is written, or cannot be. */
  flush(): Promise<void> {
    return this.#pending;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.failure) return;
    this.failure = error;
    this.#onFailure(error);
  }
}

/** Both streams of the process. What cannot be written to one is said once on the other. */
export interface Outputs {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Calls back when the width of a terminal changes. */
  onResize(listener: () => void): void;
  /** Waits for what was written, and gives the exit code that is true then. @param code of the command itself */
  finish(code: number): Promise<number>;
}

/**
 * @param onReaderGone called when nobody reads the standard output any more
 */
export function openOutputs(
  streams: { readonly stdout: OutputStream; readonly stderr: OutputStream },
  onReaderGone: () => void = () => {},
): Outputs {
  const stdout: SafeStream = new SafeStream(streams.stdout, (error) => {
    if (error.code === 'EPIPE') onReaderGone();
    else if (!isTerminalGone(error)) stderr.write(`sgool: ${complaint('the standard output', error)}\n`);
  });
  const stderr: SafeStream = new SafeStream(streams.stderr, (error) => {
    // What other programs read must stay as it is.
    if (error.code === 'EPIPE' || isTerminalGone(error) || !stdout.isTTY) return;
    stdout.write(`sgool: ${complaint('the standard error', error)}\n`);
  });
  return {
    stdout,
    stderr,
    onResize(listener) {
      for (const stream of [streams.stdout, streams.stderr]) stream.on('resize', listener);
    },
    async finish(code) {
      await stdout.flush();
      await stderr.flush();
      const { failure } = stdout;
      if (code !== 0 || !failure) return code;
      return failure.code === 'EPIPE' ? READER_GONE : FAILED;
    },
  };
}

/** The process gets SIGHUP as well, which ends it. */
const isTerminalGone = ({ code }: NodeJS.ErrnoException) => code === 'EIO';

const complaint = (stream: StreamName, error: NodeJS.ErrnoException) =>
  `cannot write to ${stream}: ${fileSystemReason(error) ?? error.message}`;
