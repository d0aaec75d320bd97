/**
 * @file Reading files. Every file that the program reads on Node is opened here: plain files only, so that nothing waits for a pipe or
 * reads a device without end, and whole files under a limit. Node only.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { concatBytes } from './bytes.ts';
import { readingReason } from './file-errors.ts';
import { overLimit, type SizeLimit } from './size-limits.ts';

/** One `read` takes at most 2 GiB on Linux. */
const READ_BYTES = 2 ** 30;
const CHUNK_BYTES = 2 ** 22;
/** Non-blocking, so that what becomes a pipe between the look at it and its opening is refused instead of waited for. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** What a place is that is no plain file. */
function kindOf(found: Stats): string | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  if (found.isSocket()) return 'a socket';
  return 'a device';
}

/** Refused before it is opened: opening a device can do something, and opening a pipe tells its writer that it is read. */
function checkPlain(path: string, found: Stats): Stats {
  const kind = kindOf(found);
  if (kind === undefined) return found;
  throw new UserError(`cannot read ${path}: it is ${kind}, a plain file is needed`);
}

/** The error of reading a path in words, if it is the file system's; else the error itself. */
export function refused(path: string, error: unknown): unknown {
  const reason = readingReason(error);
  return reason === undefined ? error : new UserError(`cannot read ${path}: ${reason}`, { cause: error });
}

const truncated = (path: string, end: number) =>
  new UserError(`${path}: the file ends at byte ${end}, it is truncated`);

/** A plain file that is open. */
export interface OpenFile {
  /** In bytes, as it was opened. */
  readonly size: number;
  /** @throws UserError when the range goes beyond the end of the file */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** As much as there is of a range; fewer bytes at the end of the file. */
  readPart(into: Uint8Array, offset: number): Promise<number>;
}

/**
 * Opens a plain file, calls `use` with it, closes it.
 *
 * @throws UserError when it is missing, no plain file, or not readable
 */
export async function withPlainFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    checkPlain(path, await stat(path));
    handle = await open(path, FLAGS);
    const { size } = checkPlain(path, await handle.stat());
    return await use(openFile(path, handle, size));
  } catch (error) {
    throw refused(path, error);
  } finally {
    await handle?.close();
  }
}

function openFile(path: string, handle: FileHandle, size: number): OpenFile {
  async function readPart(into: Uint8Array, offset: number): Promise<number> {
    const { bytesRead } = await handle.read(into, 0, Math.min(into.length, READ_BYTES), offset);
    return bytesRead;
  }
  return {
    size,
    readPart,
    async read(offset, length) {
      // Checked before anything is allocated: lengths come from headers that cannot be trusted.
      if (offset + length > size) throw truncated(path, size);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const count = await readPart(bytes.subarray(done), offset + done);
        if (count === 0) throw truncated(path, offset + done);
        done += count;
      }
      return bytes;
    },
  };
}

/**
 * Collects the parts of a file up to a limit. Files of the kernel state the size 0 and have bytes; any other file must have as many
 * bytes as it stated.
 */
class Collector {
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  readonly #path: string;
  readonly #size: number;
  readonly #limit: SizeLimit;

  constructor(path: string, size: number, limit: SizeLimit) {
    [this.#path, this.#size, this.#limit] = [path, size, limit];
    if (size > limit.bytes) throw this.#tooLarge();
  }

  get length(): number {
    return this.#length;
  }

  /** Room for the next part: the whole file at first, then a chunk, in which a file that grew shows it. */
  room(): Uint8Array {
    return new Uint8Array(this.#length === 0 && this.#size > 0 ? this.#size : 65_536);
  }

  add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#limit.bytes) throw this.#tooLarge();
    if (this.#size > 0 && this.#length > this.#size) throw this.#changed();
    this.#parts.push(part);
  }

  whole(): Uint8Array<ArrayBuffer> {
    if (this.#size > 0 && this.#length < this.#size) throw this.#changed();
    const [first] = this.#parts;
    // A file has one part, unless a system gives less than it was asked for.
    return this.#parts.length === 1 ? (first as Uint8Array<ArrayBuffer>) : concatBytes(this.#parts);
  }

  #changed() {
    const { length } = this;
    return new UserError(
      `cannot read ${this.#path}: it changed while it was read: it had ${this.#size} bytes, then ${length}; try again`,
    );
  }

  #tooLarge() {
    return new UserError(`cannot read ${this.#path}: ${overLimit(this.#limit)}`);
  }
}

/**
 * Reads a whole file.
 *
 * @throws UserError when it is missing, no plain file, not readable, larger than the limit, or changes while it is read
 */
export function readPlainFile(path: string, limit: SizeLimit): Promise<Uint8Array<ArrayBuffer>> {
  return withPlainFile(path, async (file) => {
    const collector = new Collector(path, file.size, limit);
    for (;;) {
      const room = collector.room();
      const count = await file.readPart(room, collector.length);
      if (count === 0) return collector.whole();
      collector.add(room.subarray(0, count));
    }
  });
}

/** Opens a plain file, calls `use` with its descriptor and size, closes it; the errors of {@link withPlainFile}. */
function withPlainFileSync<T>(path: string, use: (file: number, size: number) => T): T {
  let file: number | undefined;
  try {
    checkPlain(path, statSync(path));
    file = openSync(path, FLAGS);
    const { size } = checkPlain(path, fstatSync(file));
    return use(file, size);
  } catch (error) {
    throw refused(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** {@link readPlainFile}, at once. */
export function readPlainFileSync(path: string, limit: SizeLimit): Uint8Array<ArrayBuffer> {
  return withPlainFileSync(path, (file, size) => {
    const collector = new Collector(path, size, limit);
    for (;;) {
      const room = collector.room();
      const count = readSync(file, room, 0, room.length, collector.length);
      if (count === 0) return collector.whole();
      collector.add(room.subarray(0, count));
    }
  });
}

/**
 * Reads a range of bytes at once.
 *
 * @throws UserError also when the file ends before the range does
 */
export function readPlainRangeSync(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  return withPlainFileSync(path, (file, size) => {
    if (offset + length > size) throw truncated(path, size);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, Math.min(length - done, READ_BYTES), offset + done);
      if (count === 0) throw truncated(path, offset + done);
      done += count;
    }
    return bytes;
  });
}

/**
 * Calls `use` with one chunk of a file of any size after the other, for hashes. A chunk is valid until `use` returns.
 *
 * @param start the first byte
 * @throws UserError as {@link withPlainFile} does; the signal's reason when it is aborted
 */
export function readPlainChunks(
  path: string,
  use: (chunk: Uint8Array) => void,
  { start = 0, signal }: { start?: number; signal?: AbortSignal } = {},
): Promise<void> {
  return withPlainFile(path, async (file) => {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let at = start; ; ) {
      signal?.throwIfAborted();
      const count = await file.readPart(buffer, at);
      if (count === 0) return;
      use(buffer.subarray(0, count));
      at += count;
    }
  });
}

/**
 * Bytes as text.
 *
 * @throws UserError when they are not in UTF-8
 */
export function utf8(bytes: Uint8Array, path: string): string {
  try {
    // A byte order mark is kept: what reads the text decides about it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`cannot read ${path}: it is not text in UTF-8`, { cause });
  }
}
