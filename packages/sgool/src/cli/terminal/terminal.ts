/** @file What is written for people. Whatever a text holds, only this file's own sequences act on the terminal. */
import { printable } from '../../errors.ts';

/** A stream that is written to. It never throws: what cannot be written decides the exit code. */
export interface Sink {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal in characters. */
  readonly columns?: number;
}

/** The way to stdout and stderr; there is no other. */
export class Terminal {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  get isTTY(): boolean {
    return this.#sink.isTTY === true;
  }

  /** In characters. */
  get columns(): number | undefined {
    return this.#sink.columns;
  }

  /** Text for people, and JSON: control characters are shown as `\u001b`, which in JSON is the same text. */
  write(text: string): void {
    this.#sink.write(printable(text));
  }

  /** Data for programs, such as a path or CSV: as it is, unless it goes to a terminal. Bytes are never changed. */
  data(text: string | Uint8Array): void {
    if (typeof text !== 'string') {
      this.#sink.write(text);
      return;
    }
    // Lines of CSV end in CR LF.
    this.#sink.write(this.isTTY ? text.split('\r\n').map(printable).join('\r\n') : text);
  }

  /** Goes to the start of the line and clears it. */
  clearLine(): void {
    this.#sink.write('\r\x1b[2K');
  }
}
