/** The lock within one process; `test/locks.test.ts` has several. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { files } from '#platform';
import { markText, ownMark } from '../../platform/process-mark.ts';
import { until } from '../../testing.ts';
import { type LockOptions, LostLock, withLock } from './lock.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-lock-'));
  path = join(dir, 'locks/model');
});
afterEach(() => rmSync(dir, { recursive: true }));

const times = { heartbeat: 10, silence: 150, poll: 5 };
const take = (options: LockOptions = {}) =>
  withLock(path, async ({ isTakenOver }) => isTakenOver, { times, ...options });
const dead = `${markText({ ...ownMark, pid: 999_999_999 })} token`;
const elsewhere = `${markText({ machine: 'ffffffff', pid: 1, start: 1 })} token`;
const lock = (content: string) => {
  rmSync(dir, { recursive: true, force: true });
  dir = mkdtempSync(join(tmpdir(), 'sgool-lock-'));
  path = join(dir, 'model');
  writeFileSync(path, content);
};

it('holds the mark of its process, beats, and is gone afterwards', async () => {
  await withLock(
    path,
    async ({ isTakenOver, signal, check }) => {
      const content = readFileSync(path, 'utf8');
      expect(content).toMatch(new RegExp(`^${markText(ownMark)} [0-9a-f]{16}$`));
      expect([isTakenOver, signal.aborted]).toEqual([false, false]);
      utimesSync(path, 1, 1);
      await until(() => statSync(path).mtimeMs > 1000, 'a heartbeat');
      await check();
    },
    { times },
  );
  expect(readdirSync(join(dir, 'locks'))).toEqual([]);
});

it('lets one after the other work, and says once that it waits', async () => {
  let [inside, most, waits] = [0, 0, 0];
  const one = () =>
    withLock(
      path,
      async () => {
        most = Math.max(most, ++inside);
        await wait(20);
        inside--;
      },
      { times, onWait: () => void waits++ },
    );
  await Promise.all([one(), one(), one()]);
  expect([most, waits]).toEqual([1, 2]);
});

it('is given up where it can never be had', async () => {
  mkdirSync(path, { recursive: true });
  await expect(take()).rejects.toThrow(`lock: ${path} cannot be read, so nobody can have it; remove it`);
});

it('is given back when the work fails', async () => {
  await expect(withLock(path, () => Promise.reject(new Error('work')), { times })).rejects.toThrow('work');
  expect(await take()).toBe(false);
});

describe('what another process left', () => {
  it('is taken at once from a dead one', async () => {
    lock(dead);
    expect(
      await take({ times: { ...times, silence: 1e6 }, onWait: () => expect.unreachable('it waits') }),
    ).toBe(false);
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([elsewhere, 'no mark at all'])('is taken from one that is silent: %s', async (content) => {
    lock(content);
    const started = performance.now();
    let waits = 0;
    expect(await take({ onWait: () => void waits++ })).toBe(true);
    expect(performance.now() - started).toBeGreaterThanOrEqual(times.silence);
    expect(waits).toBe(1);
  });

  it('is not taken from one that beats', async () => {
    lock(elsewhere);
    const beating = setInterval(() => utimesSync(path, new Date(), new Date()), 10);
    const stop = AbortSignal.timeout(4 * times.silence);
    try {
      await expect(take({ signal: stop, times: { ...times, silence: 2 * times.silence } })).rejects.toThrow(
        'timeout',
      );
      expect(readFileSync(path, 'utf8')).toBe(elsewhere);
    } finally {
      clearInterval(beating);
    }
  });

  it('is not taken while a living one is at it, and is when that one is dead', async () => {
    lock(dead);
    writeFileSync(`${path}.takeover`, markText(ownMark));
    await expect(take({ signal: AbortSignal.timeout(100) })).rejects.toThrow('timeout');
    expect(readFileSync(path, 'utf8')).toBe(dead);
    writeFileSync(`${path}.takeover`, markText({ ...ownMark, pid: 999_999_999 }));
    expect(await take()).toBe(false);
    expect(readdirSync(dir)).toEqual([]);
  });
});

it('that cannot be read is waited for', async () => {
  mkdirSync(path, { recursive: true });
  const taken = take();
  await wait(20);
  rmSync(path, { recursive: true });
  expect(await taken).toBe(false);
});

it('that its dead owner’s successor gives back meanwhile is taken', async () => {
  lock(dead);
  const { readText } = files;
  let reads = 0;
  const reading = vi.spyOn(files, 'readText').mockImplementation(async (...args) => {
    const text = await readText.apply(files, args);
    // After the second look, just before it is removed.
    if (++reads === 2) rmSync(path);
    return text;
  });
  try {
    expect(await take()).toBe(false);
  } finally {
    reading.mockRestore();
  }
});

it('that another has taken over is lost: the work is told, and the lock of the other stays', async () => {
  const work = withLock(
    path,
    async ({ signal, check }) => {
      writeFileSync(path, elsewhere);
      await until(() => signal.aborted, 'the news of the lost lock');
      expect(signal.reason).toBeInstanceOf(LostLock);
      await check();
    },
    { times },
  );
  await expect(work).rejects.toThrow(`another process has taken over ${path}`);
  expect(readFileSync(path, 'utf8')).toBe(elsewhere);
});

it('waiting ends when the user stops it', async () => {
  lock(elsewhere);
  await expect(take({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
});
