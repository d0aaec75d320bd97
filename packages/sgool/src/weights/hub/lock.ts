/** @file One downloader per file: a lock that outlives neither its process nor a crashed machine. */
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { pause } from './retries.ts';

/** A living owner touches its lock this often. */
const HEARTBEAT_MS = 2_000;
/** A lock that nobody has touched for so long is nobody's. */
const STALE_MS = 30_000;
const POLL_MS = 100;

/**
 * Runs `work` while no other process (and no other call in this one) holds the lock file.
 *
 * @param onWait is called once when somebody else holds it
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  { signal, onWait }: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
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
  const [pid, host] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  return host === hostname() && !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only asks
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
