/** @file Locks between processes: suspended, killed, on another machine, with clocks that are wrong. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { markText, ownMark } from '../src/platform/process-mark.ts';
import { until } from '../src/testing.ts';
import { type LockOptions, LostLock, withLock } from '../src/weights/hub/lock.ts';

const times = { heartbeat: 20, silence: 200, poll: 5 };
const elsewhere = `${markText({ ...ownMark, machine: '00000000' })} token`;

let dir: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-locks-'));
  path = join(dir, 'lock');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const take = (options: LockOptions = {}) =>
  withLock(path, async ({ isTakenOver }) => isTakenOver, { times, ...options });

/** Another process that holds the lock, once it does. */
async function holder(milliseconds: number) {
  const script = fileURLToPath(new URL('lock-holder.ts', import.meta.url));
  const words = ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', script, path];
  const child = spawn(process.execPath, [...words, String(milliseconds)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await until(
    () => said.includes('held'),
    () => `the lock of another process; it said ${said}`,
  );
  return { child, ended, said: () => said };
}

it('a suspended process keeps its lock however long it is suspended', async ({ skip }) => {
  if (ownMark.start === 0) return skip('this system does not tell when a process started');
  const { child, ended, said } = await holder(50);
  child.kill('SIGSTOP');
  let waited = 0;
  const limit = AbortSignal.timeout(4 * times.silence);
  await expect(take({ signal: limit, onWait: () => waited++ })).rejects.toThrow('timeout');
  expect(waited).toBe(1);
  child.kill('SIGCONT');
  expect(await take()).toBe(false);
  expect(await ended).toBe(0);
  expect(said()).toBe('held\ndone\n');
});

it('the lock of a killed process is free at once', async () => {
  const { child, ended } = await holder(60_000);
  child.kill('SIGKILL');
  await ended;
  const started = performance.now();
  expect(await take({ times: { ...times, silence: 60_000 } })).toBe(false);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(readdirSync(dir)).toEqual([]);
});

it('a process waits until the other one is done', async () => {
  const { said } = await holder(300);
  await take();
  expect(said()).toBe('held\ndone\n');
});

it.each([
  ['now', 0],
  ['in the future', 3600 * 24 * 365],
  ['in the past', -3600 * 24 * 365],
])('a lock of another machine that is silent is taken over, whatever its time: %s', async (_, seconds) => {
  writeFileSync(path, elsewhere);
  const time = Date.now() / 1000 + seconds;
  utimesSync(path, time, time);
  const started = performance.now();
  expect(await take()).toBe(true);
  expect(performance.now() - started).toBeGreaterThan(times.silence * 0.9);
});

it.each(['', 'no mark at all', `${'9'.repeat(400)}-1-1`])(
  'a lock with the content %j is taken over after a silence',
  async (text) => {
    writeFileSync(path, text);
    expect(await take()).toBe(true);
  },
);

it('a lock of another machine is not taken over while its heart beats, whatever the clocks say', async () => {
  writeFileSync(path, elsewhere);
  let time = 1e6;
  const heart = setInterval(() => utimesSync(path, ++time, time), 20);
  const limit = AbortSignal.timeout(4 * times.silence);
  await expect(take({ signal: limit })).rejects.toThrow('timeout');
  clearInterval(heart);
  expect(readFileSync(path, 'utf8')).toBe(elsewhere);
});

it('a process whose number another one has now does not keep its lock', async ({ skip }) => {
  if (ownMark.start === 0) return skip('this system does not tell when a process started');
  writeFileSync(path, `${markText({ ...ownMark, start: ownMark.start - 1 })} token`);
  expect(await take({ times: { ...times, silence: 60_000 } })).toBe(false);
});

it('a process whose lock was taken over is told, and does not free the lock of the other one', async () => {
  const work = withLock(
    path,
    async ({ signal, check }) => {
      await check();
      writeFileSync(path, elsewhere);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      expect(signal.reason).toBeInstanceOf(LostLock);
      await check();
    },
    { times },
  );
  await expect(work).rejects.toBeInstanceOf(LostLock);
  expect(readFileSync(path, 'utf8')).toBe(elsewhere);
});

it('of many that wait for a dead lock, one after the other gets it', async () => {
  writeFileSync(path, `${markText({ ...ownMark, pid: 999_999_999 })} token`);
  let inside = 0;
  const results = Array.from({ length: 12 }, () =>
    withLock(
      path,
      async ({ check }) => {
        expect(++inside).toBe(1);
        await wait(5);
        await check();
        inside--;
      },
      { times },
    ),
  );
  await Promise.all(results);
  expect(readdirSync(dir)).toEqual([]);
});

it('waiting ends when the user stops it', async () => {
  writeFileSync(path, elsewhere);
  const stop = new AbortController();
  const waiting = take({ signal: stop.signal, onWait: () => stop.abort(new Error('stopped')) });
  await expect(waiting).rejects.toThrow('stopped');
});
