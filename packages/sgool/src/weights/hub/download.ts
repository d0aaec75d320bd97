/**
 * @file Downloading one file of the Hub into the cache: an interrupted download is resumed, size and hash are checked, and the
 * file gets its name only when both are right. Node only.
 */

import { createHash, type Hash } from 'node:crypto';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { dropBody, readBody } from '../../platform/http.ts';
import { makeFolders } from '../sources/make-folders.ts';
import { discard, PartialFile, sizeOf } from '../sources/partial-file.ts';
import { connectionError } from './answer-errors.ts';
import type { HubClient, HubFile } from './client.ts';
import { fileTime, type HubLimits, watchSpeed } from './limits.ts';
import { type HeldLock, LostLock } from './lock.ts';
import { tooSlow } from './request.ts';
import { HubInterruption, pauseBeforeRetry } from './retries.ts';

/** One file to download. */
export interface DownloadTask {
  readonly client: HubClient;
  readonly id: string;
  readonly commit: string;
  readonly file: HubFile;
  /** Path of the file. Until it is complete, its bytes are in the same folder under a name with `.sgool-incomplete`. */
  readonly target: string;
  readonly limits: HubLimits;
  /** The lock that keeps other processes from the file. */
  readonly lock: HeldLock;
  readonly signal: AbortSignal;
  /** Called with the number of bytes of this file that are on the disk. */
  readonly onBytes?: (bytes: number) => void;
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
  const { target, file, lock, signal } = task;
  const partial = incompletePath(target);
  try {
    await makeFolders(dirname(target));
    // The process that was silent may still have it open, and write to it.
    if (lock.isTakenOver) await discard(partial);
    let arrived = await receive(task, partial);
    // The pieces may be those of different files, so a fresh download decides.
    if (arrived.hash !== file.hash && arrived.pieces > 1) arrived = await receive(task, partial);
    if (arrived.hash !== file.hash) throw wrongHash(task, arrived.hash);
  } catch (error) {
    signal.throwIfAborted();
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

/** A hash as the Hub names it: SHA-256 of the content, or git's SHA-1 of a blob. */
export function hubHash({ hash, size }: Pick<HubFile, 'hash' | 'size'>): Hash {
  return hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

/** State of a download. */
interface Arrival {
  readonly partial: PartialFile;
  /** Of the bytes that are there. */
  hash: Hash;
  /** Number of connections that brought them, an earlier process included. */
  pieces: number;
  /** What the server of the content says of its version, where it says so. */
  etag?: string;
}

/**
 * Completes `path`. If its hash is right, it gets its final name; if not, it is removed.
 *
 * @returns the hash of all bytes, and the number of pieces in which they came
 */
async function receive(task: DownloadTask, path: string): Promise<{ hash: string; pieces: number }> {
  const { file, signal, lock, onBytes } = task;
  const first = hubHash(file);
  // A longer file is not a part of this one.
  if ((await sizeOf(path)) > file.size) await discard(path);
  const partial = await PartialFile.open(path, { onBytes: (bytes) => first.update(bytes), signal });
  const arrival: Arrival = { partial, hash: first, pieces: partial.bytes > 0 ? 1 : 0 };
  onBytes?.(partial.bytes);
  let hash: string;
  try {
    await receiveRest(task, arrival);
    await partial.flush();
    await lock.check();
    if (!(await partial.isInPlace())) throw new LostLock(`another process has removed ${path}`);
    hash = arrival.hash.digest('hex');
  } finally {
    await partial.close();
  }
  if (hash === file.hash) await partial.finish(task.target);
  else await discard(path);
  return { hash, pieces: arrival.pieces };
}

/** A connection that brings less is no progress: a server may send a byte each time, without end. */
const progress = ({ size }: HubFile) => Math.min(2 ** 20, Math.ceil(size / 100));

/** Requests the missing bytes until they have arrived, or the retries or the time are used up. */
async function receiveRest(task: DownloadTask, arrival: Arrival): Promise<void> {
  const { client, file, limits, signal } = task;
  const { partial } = arrival;
  const limit = AbortSignal.timeout(fileTime(file.size, limits));
  const limited = AbortSignal.any([signal, limit]);
  const kept = () =>
    `${partial.bytes} of ${file.size} bytes of ${file.path} are here and kept, run the same command again to go on`;
  // An empty file too is requested once.
  for (let failures = 0; partial.bytes < file.size || arrival.pieces === 0; ) {
    const before = partial.bytes;
    try {
      await attempt({ ...task, signal: limited }, arrival);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.aborted) {
        const minutes = (fileTime(file.size, limits) / 60_000).toFixed(0);
        throw new UserError(
          `hub: ${client.endpoint} sends too slowly, ${minutes} minutes are over; ${kept()}`,
          {
            cause: error,
          },
        );
      }
      if (!(error instanceof HubInterruption)) throw error;
      failures = partial.bytes - before >= progress(file) ? 0 : failures + 1;
      await pauseBeforeRetry(error, failures, limits, { signal, advice: kept() });
    }
  }
}

/** One connection. Returns when the file is complete. @throws HubInterruption when the connection ends earlier */
async function attempt(task: DownloadTask, arrival: Arrival): Promise<void> {
  const { client, id, commit, file, limits, signal } = task;
  const { partial } = arrival;
  const watch = watchSpeed(limits, signal);
  let response: Response | undefined;
  try {
    response = await client.open(id, commit, file, partial.bytes, watch.signal);
    watch.restart();
    await placeResponse(response, task, arrival);
    arrival.pieces++;
    for await (const chunk of readBody(response, watch.signal)) {
      watch.got(chunk.length);
      await append(chunk, task, arrival);
      task.onBytes?.(partial.bytes);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (watch.isSlow()) throw tooSlow(limits, error);
    // undici's error when a connection is cut in the middle of a body.
    if (error instanceof TypeError) throw connectionError(error, client.endpoint);
    throw error;
  } finally {
    watch.stop();
    if (response !== undefined) await dropBody(response);
  }
  if (partial.bytes < file.size) throw new HubInterruption('hub: the connection was closed too early');
}

/** Makes sure that the next byte of the response belongs at the end of what is here; begins anew where it does not. */
async function placeResponse(response: Response, task: DownloadTask, arrival: Arrival): Promise<void> {
  const { id, file } = task;
  const { partial } = arrival;
  const { status, headers } = response;
  const from = partial.bytes;
  const wrong = (problem: string) =>
    new UserError(`hub: ${id}: ${file.path} ${problem}; something on the way changes files`);
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity')
    throw wrong(`comes compressed (${encoding.slice(0, 20)}), which was not asked for`);
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const [, start, , total] = range ?? [];
  const whole = status === 206 ? total : headers.get('content-length');
  if (status !== 416 && whole && whole !== '*' && Number(whole) !== file.size) {
    throw wrong(`should have ${file.size} bytes, the server has ${whole.slice(0, 40)}`);
  }
  const etag = headers.get('etag') ?? undefined;
  const isSame = arrival.etag === undefined || etag === undefined || etag === arrival.etag;
  arrival.etag = etag;
  if (status === 206 && from > 0 && Number(start) === from && isSame) return;
  if (from === 0 && status !== 200)
    throw wrong(`was asked for as a whole, the server sends a part (${status})`);
  if (from > 0) {
    await partial.restart();
    arrival.hash = hubHash(file);
    arrival.pieces = 0;
    task.onBytes?.(0);
  }
  if (status !== 200)
    throw new HubInterruption(`hub: the server does not send ${file.path} from byte to byte`);
}

async function append(chunk: Uint8Array, { id, file }: DownloadTask, arrival: Arrival): Promise<void> {
  if (arrival.partial.bytes + chunk.length > file.size) {
    throw new UserError(
      `hub: ${id}: ${file.path} is longer than the ${file.size} bytes that the Hub announced; it was not taken`,
    );
  }
  await arrival.partial.append(chunk);
  arrival.hash.update(chunk);
}
