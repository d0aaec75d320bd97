/** @file A lock file, so that one process downloads a file at a time. It expires when its process or machine dies. */

import { open, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { files } from '#platform';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { makeFolders } from '../sources/make-folders.ts';
import { pause } from './retries.ts';

/** Milliseconds between the touches of a lock by its owner. */
const HEARTBEAT_MS = 2_000;
/** Milliseconds without a touch after which a lock has expired. */
const STALE_MS = 30_000;
const POLL_MS = 100;

/**
 * Runs `work` while no other process (and no other call in this one) holds the lock file.
 *
 * @param onWait called once when another process holds the lock
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { signal, onWait }: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<T> {
  await makeFolders(dirname(path));
  for (let waited = false; !(await take(path)); waited = true) {
    if (!waited) onWait?.();
    if (await isStale(path)) await rm(path, { force: true });
    else await pause(POLL_MS, signal);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(`${process.pid} ${hostname()}`).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false;
  if (Date.now() - found.mtimeMs > STALE_MS) return true;
  const text = await files.readText(path, SIZE_LIMITS.line).catch(() => '');
  const [pid, host] = text.split(' ');
  return host === hostname() && !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only tests whether the process exists
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
