/**
 * @file Downloading one file of the Hub into the cache: an interrupted download is resumed, size and hash are checked, and the
 * file gets its name only when both are right. Node only.
 */

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { readPlainChunks } from '../../platform/plain-file.ts';
import { makeFolders } from '../sources/make-folders.ts';
import type { HubClient, HubFile } from './client.ts';
import { HubInterruption, pause } from './retries.ts';

/** One file to download. */
export interface DownloadTask {
  readonly client: HubClient;
  readonly id: string;
  readonly commit: string;
  readonly file: HubFile;
  /** Path of the file. Until it is complete, its bytes are in the same folder under a name with `.sgool-incomplete`. */
  readonly target: string;
  readonly options: DownloadOptions;
  readonly signal?: AbortSignal;
  /** Called with the number of bytes of this file that are on the disk. */
  readonly onBytes?: (bytes: number) => void;
}

/** Retries and timeouts. */
export interface DownloadOptions {
  /** Number of consecutive interruptions without a new byte before it gives up. */
  readonly retries: number;
  /** Milliseconds before the first retry; each further wait is twice as long. */
  readonly retryDelay: number;
  /** Milliseconds without a byte after which a connection counts as cut. */
  readonly stall: number;
}

/** A number of bytes in MB or GB, for messages. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Path of an incomplete file. Python's tools use another name and are not disturbed. */
export const incompletePath = (target: string): string => `${target}.sgool-incomplete`;

/**
 * Downloads a file to `target`. The bytes that arrived stay on the disk when the network, the disk or the user interrupts it.
 *
 * @throws UserError when the Hub refuses, the disk is full, or the content has another hash than the Hub announced
 */
export async function downloadFile(task: DownloadTask): Promise<void> {
  const { target } = task;
  const partial = incompletePath(target);
  try {
    await makeFolders(dirname(target));
    const resumed = await receive(task, partial);
    if (resumed.hash !== task.file.hash) {
      await rm(partial, { force: true });
      // The part from an earlier attempt may be the wrong one, so a fresh download decides.
      const actual = resumed.from > 0 ? (await receive(task, partial)).hash : resumed.hash;
      if (actual !== task.file.hash) {
        await rm(partial, { force: true });
        throw wrongHash(task, actual);
      }
    }
    await rename(partial, target);
  } catch (error) {
    task.signal?.throwIfAborted();
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    const kept = await sizeOf(partial);
    const hint = kept > 0 ? `what has arrived (${megabytes(kept)}) is kept; ` : '';
    throw new UserError(
      `hub: cannot write ${partial}: ${reason}; ${hint}run the same command again when that is mended, or set HF_HUB_CACHE to a folder on another disk`,
      { cause: error },
    );
  }
}

function wrongHash({ id, file, client }: DownloadTask, actual: string): UserError {
  return new UserError(
    `hub: ${id}: ${file.path} arrived with the hash ${actual}, ${client.endpoint} announced ${file.hash}; nothing of it was kept. Something on the way changes files, or the Hub's copy is broken`,
  );
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

/** A hash as the Hub names it: SHA-256 of the content, or git's SHA-1 of a blob. */
export function hubHash({ hash, size }: Pick<HubFile, 'hash' | 'size'>): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** State of a download. */
interface Arrival {
  readonly handle: FileHandle;
  /** Of the first `bytes` bytes. */
  hash: Hash;
  bytes: number;
}

/** Completes `partial`. `from` is the size that it had before. */
async function receive(task: DownloadTask, partial: string): Promise<{ from: number; hash: string }> {
  const { file, signal, onBytes } = task;
  const hash = hubHash(file);
  // A longer file is not a part of this one.
  if ((await sizeOf(partial)) > file.size) await rm(partial);
  const from = await sizeOf(partial);
  if (from > 0) await readPlainChunks(partial, (chunk) => hash.update(chunk), { signal });
  onBytes?.(from);
  const handle = await open(partial, from > 0 ? 'r+' : 'w');
  const arrival: Arrival = { handle, hash, bytes: from };
  try {
    await receiveRest(task, arrival);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { from, hash: arrival.hash.digest('hex') };
}

/** Requests the missing bytes until they have arrived or the retries are used up. */
async function receiveRest(task: DownloadTask, arrival: Arrival): Promise<void> {
  const { file, options, signal } = task;
  for (let failures = 0; arrival.bytes < file.size; ) {
    const before = arrival.bytes;
    try {
      await attempt(task, arrival);
    } catch (error) {
      if (!(error instanceof HubInterruption)) throw error;
      failures = arrival.bytes > before ? 0 : failures + 1;
      if (failures > options.retries) {
        throw new UserError(
          `${error.message}; ${arrival.bytes} of ${file.size} bytes of ${file.path} are here and kept, run the same command again to go on`,
          { cause: error },
        );
      }
      await pause(options.retryDelay * 2 ** Math.max(0, failures - 1), signal);
    }
  }
}

/** One connection. Returns when the file is complete. @throws HubInterruption when the connection ends earlier */
async function attempt(task: DownloadTask, arrival: Arrival): Promise<void> {
  const { client, id, commit, file, options, signal } = task;
  const watch = stallWatch(options.stall, signal);
  let response: Response | undefined;
  try {
    response = await client.open(id, commit, file.path, arrival.bytes, watch.signal);
    watch.alive();
    await placeResponse(response, task, arrival);
    for await (const chunk of response.body ?? []) {
      watch.alive();
      await append(chunk, task, arrival);
      task.onBytes?.(arrival.bytes);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (watch.signal.aborted) throw new HubInterruption('hub: the connection stood still', { cause: error });
    // undici's error when a connection is cut in the middle of a body.
    if (error instanceof TypeError) {
      throw new HubInterruption('hub: the connection was cut', { cause: error });
    }
    throw error;
  } finally {
    watch.stop();
    // An abandoned body would keep its connection open, and with it the process.
    if (response?.body?.locked === false) await response.body.cancel().catch(() => undefined);
  }
  if (arrival.bytes < file.size) throw new HubInterruption('hub: the connection was closed too early');
}

/** Makes sure that the next byte of the response belongs at the end of what is here; begins anew where it does not. */
async function placeResponse(response: Response, task: DownloadTask, arrival: Arrival): Promise<void> {
  const { id, file } = task;
  const { status, headers } = response;
  const [, start, total] = /^bytes (\d+)-\d*\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
  const whole = status === 206 ? total : headers.get('content-length');
  if (status !== 416 && whole && whole !== '*' && Number(whole) !== file.size) {
    throw new UserError(
      `hub: ${id}: ${file.path} should have ${file.size} bytes, the server has ${whole}; something on the way changes files`,
    );
  }
  if (status === 206 && Number(start) === arrival.bytes) return;
  if (arrival.bytes > 0) {
    await arrival.handle.truncate(0);
    arrival.bytes = 0;
    arrival.hash = hubHash(file);
  }
  if (status === 200) return;
  throw new HubInterruption(`hub: the server does not send ${file.path} from byte to byte`);
}

async function append(chunk: Uint8Array, { id, file }: DownloadTask, arrival: Arrival): Promise<void> {
  if (arrival.bytes + chunk.length > file.size) {
    throw new UserError(
      `hub: ${id}: ${file.path} is longer than the ${file.size} bytes that the Hub announced; it was not taken`,
    );
  }
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await arrival.handle.write(
      chunk,
      done,
      chunk.length - done,
      arrival.bytes + done,
    );
    done += bytesWritten;
  }
  arrival.hash.update(chunk);
  arrival.bytes += chunk.length;
}

/** A signal that also fires when `alive` is not called for some time. */
function stallWatch(milliseconds: number, signal?: AbortSignal) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), milliseconds);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    alive: () => timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}
