/**
 * @file A lock file, so that one process at a time does a piece of work. It holds the mark of its process. No clock is compared with
 * another one, and none has to be right. Node only.
 *
 * On the same machine a lock belongs to its process until that ends, however long it is suspended. Whether a process of another
 * machine lives is seen from its heartbeat: the lock's time of change must go on changing while others look at it.
 */

import { randomBytes } from 'node:crypto';
import { rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { isAlive, markText, ownMark, parseMark } from '../../platform/process-mark.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { createFile } from '../sources/atomic-file.ts';
import { makeFolders } from '../sources/make-folders.ts';
import { pause } from './retries.ts';

/** Times in milliseconds. */
export interface LockTimes {
  /** Between two heartbeats of the owner. */
  readonly heartbeat: number;
  /** Without a heartbeat, seen by one who waits, after which the owner counts as dead. */
  readonly silence: number;
  /** Between two looks of one who waits. */
  readonly poll: number;
}

const TIMES: LockTimes = { heartbeat: 2_000, silence: 30_000, poll: 100 };

/** Looks at a lock that is there and cannot be read, after which it is given up. */
const MOST_UNREADABLE = 50;

/** What a waiting process learns, and how the work ends early. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once when another process has the lock. */
  readonly onWait?: () => void;
  readonly times?: LockTimes;
}

/** What the owner of a lock must know. */
export interface HeldLock {
  /** Fires when another process has taken the lock over, because this one was suspended for too long. */
  readonly signal: AbortSignal;
  /**
   * Whether the lock was taken from a process that may still live: that one may have files open, and write to them when it wakes
   * up.
   */
  readonly isTakenOver: boolean;
  /** To be called before something is done that only the owner may do. @throws LostLock when it is another one's by now */
  check(): Promise<void>;
}

/** Another process has taken the lock over. */
export class LostLock extends Error {
  override readonly name = 'LostLock';
}

/**
 * Runs `work` while no other process (and no other call in this one) holds the lock file.
 *
 * @throws LostLock when another process took the lock over and the work has noticed it
 * @throws UserError where something is in the place of the lock that is no file to read
 */
export async function withLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T>,
  { signal, onWait, times = TIMES }: LockOptions = {},
): Promise<T> {
  await makeFolders(dirname(path));
  const content = `${markText(ownMark)} ${randomBytes(8).toString('hex')}`;
  const isTakenOver = await take(path, content, { signal, onWait, times });
  const lost = new AbortController();
  const check = async () => {
    if ((await contentOf(path)) === content) return;
    lost.abort(new LostLock(`another process has taken over ${path}`));
    throw lost.signal.reason;
  };
  const heartbeat = setInterval(() => {
    const now = new Date();
    check()
      .then(() => utimes(path, now, now))
      .catch(() => undefined); // the work is told by the signal
  }, times.heartbeat);
  heartbeat.unref();
  try {
    return await work({ signal: lost.signal, isTakenOver, check });
  } finally {
    clearInterval(heartbeat);
    if ((await contentOf(path)) === content) await rm(path, { force: true });
  }
}

/** Removes the lock file of a process of this machine that has ended; any other is left. */
export async function removeDeadLock(path: string): Promise<void> {
  const seen = await contentOf(path);
  if (seen !== undefined && ownerLives(seen) === false) await removeIf(path, seen);
}

/** Whether the process lives that wrote a lock file; undefined where this machine cannot tell. */
function ownerLives(content: string): boolean | undefined {
  const [mark] = content.split(' ');
  const owner = parseMark(mark);
  return owner === undefined ? undefined : isAlive(owner);
}

/** @returns whether it was taken from a process that may still live */
async function take(path: string, content: string, options: LockOptions & { times: LockTimes }) {
  const { signal, onWait, times } = options;
  const watch = heartbeatWatch(times);
  let unreadable = 0;
  for (let waits = 0; !(await createFile(path, content)); waits++) {
    signal?.throwIfAborted();
    const seen = await contentOf(path);
    if (seen === undefined) {
      // Gone in the meantime, or no file that can be read.
      if (++unreadable > MOST_UNREADABLE) {
        throw new UserError(`lock: ${path} cannot be read, so nobody can have it; remove it`);
      }
      await pause(times.poll, signal);
      continue;
    }
    const alive = ownerLives(seen);
    const isSilent = alive === undefined && (await watch(path, seen));
    if (alive === false || isSilent) {
      if (await removeIf(path, seen)) {
        if (await createFile(path, content)) return isSilent;
      }
      await pause(times.poll, signal);
      continue;
    }
    if (waits === 0) onWait?.();
    await pause(times.poll, signal);
  }
  return false;
}

/**
 * A function that says whether a lock has been silent for too long. Only time in which this process was looking counts: it may have
 * been suspended too.
 */
function heartbeatWatch({ silence, poll }: LockTimes) {
  let last = '';
  let silent = 0;
  let lookedAt = performance.now();
  return async (path: string, content: string): Promise<boolean> => {
    const now = performance.now();
    silent += Math.min(now - lookedAt, 10 * poll);
    lookedAt = now;
    const changed = (await stat(path).catch(() => undefined))?.mtimeMs;
    const state = `${content} ${changed}`;
    if (state !== last) silent = 0;
    last = state;
    return silent > silence;
  };
}

/** Removes a lock with this content. Of several processes that try it, one succeeds; none removes the lock of another one. */
async function removeIf(path: string, content: string): Promise<boolean> {
  const guard = `${path}.takeover`;
  if (!(await createFile(guard, markText(ownMark)))) {
    const mark = parseMark((await contentOf(guard)) ?? '');
    if (mark !== undefined && isAlive(mark) === false) await rm(guard, { force: true });
    return false;
  }
  try {
    if ((await contentOf(path)) !== content) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

const contentOf = (path: string): Promise<string | undefined> =>
  files.readText(path, SIZE_LIMITS.line).catch(() => undefined);
