/** @file A file that arrives in pieces, perhaps over several processes, and gets its name when it is complete. Node only. */
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { readPlainChunks } from '../../platform/plain-file.ts';
import { renameDurably } from './atomic-file.ts';

/** The size of a file; 0 where there is none. */
export const sizeOf = async (path: string): Promise<number> =>
  (await stat(path).catch(() => undefined))?.size ?? 0;

/** Removes a file if it is there. */
export const discard = (path: string): Promise<void> => rm(path, { force: true });

/** An open file to which bytes are appended. What is in it stays there when the process dies. */
export class PartialFile {
  /** Number of bytes that it holds. */
  bytes: number;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, bytes: number) {
    this.#path = path;
    this.#file = file;
    this.bytes = bytes;
  }

  /** Opens a file, or makes it. @param onBytes receives the bytes that it holds already */
  static async open(
    path: string,
    { onBytes, signal }: { onBytes: (bytes: Uint8Array) => void; signal?: AbortSignal },
  ): Promise<PartialFile> {
    const from = await sizeOf(path);
    if (from > 0) await readPlainChunks(path, onBytes, { signal });
    return new PartialFile(path, await open(path, from > 0 ? 'r+' : 'w'), from);
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, done, chunk.length - done, this.bytes + done);
      done += bytesWritten;
    }
    this.bytes += chunk.length;
  }

  /** Throws away all bytes. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.bytes = 0;
  }

  /** Flushes it to the disk. */
  async flush(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Whether the file of this name is still this one: another process may have removed it and begun its own. */
  async isInPlace(): Promise<boolean> {
    const [own, found] = await Promise.all([this.#file.stat(), stat(this.#path).catch(() => undefined)]);
    return found?.ino === own.ino && found.dev === own.dev;
  }

  /** Gives the flushed file its final name. */
  async finish(target: string): Promise<void> {
    await renameDurably(this.#path, target);
  }
}
