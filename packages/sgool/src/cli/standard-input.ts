/** @file The standard input, and other streams: up to a limit, and once. */
import type { Readable } from 'node:stream';
import { UserError } from '../errors.ts';
import { concatBytes } from '../platform/bytes.ts';
import { refused } from '../platform/plain-file.ts';
import { overLimit, type SizeLimit } from '../platform/size-limits.ts';
import type { Terminal } from './terminal/terminal.ts';
import { usageError } from './usage-error.ts';

/**
 * The whole of a stream; the same bytes for the same reader.
 *
 * @param who the argument or option that reads it
 * @throws UserError where it gives more than the limit, or was read for another argument
 */
export type ReadInput = (who: string, limit: SizeLimit) => Promise<Uint8Array>;

/**
 * Reads a stream to its end.
 *
 * @param name of the stream, for messages
 * @throws UserError where it breaks, or gives more than the limit
 */
export async function readStream(stream: Readable, name: string, limit: SizeLimit): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of stream as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > limit.bytes) throw new UserError(`cannot read ${name}: ${overLimit(limit)}`);
      parts.push(part);
    }
  } catch (error) {
    throw refused(name, error);
  }
  return concatBytes(parts);
}

/** Reads the standard input of this process to its end; see {@link readStream}. Not for threads: theirs is empty. */
export function readStandardInput(stderr: Terminal, limit: SizeLimit): Promise<Uint8Array> {
  if (process.stdin.isTTY) stderr.write('sgool: reading the standard input; end it with Ctrl-D\n');
  return readStream(process.stdin, 'the standard input', limit);
}

/**
 * Keeps what was read, so that the runs of a series and their hashes get the same bytes, and refuses a second reader, for which
 * nothing would be left.
 */
export function readOnce(read: (limit: SizeLimit) => Promise<Uint8Array>): ReadInput {
  let known: { readonly who: string; readonly bytes: Promise<Uint8Array> } | undefined;
  return (who, limit) => {
    known ??= { who, bytes: read(limit) };
    if (known.who === who) return known.bytes;
    throw usageError(
      `${who}: the standard input is ${known.who} already, and can be read once; give the name of a file`,
    );
  };
}
