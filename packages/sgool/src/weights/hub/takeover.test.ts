/** @file A download whose lock changes hands: the process that was suspended may wake up and go on writing. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createHubClient } from './client.ts';
import { downloadFile, incompletePath } from './download.ts';
import { HUB_LIMITS } from './limits.ts';
import { LostLock } from './lock.ts';
import { type FakeHub, sha256, startHub } from './testing.ts';

const content = Buffer.alloc(200_000, 'weights');
const hash = sha256(content);
const commit = 'c'.repeat(40);

let hub: FakeHub;
let dir: string;
beforeEach(async () => {
  hub = await startHub({ 'some/model': { commit, files: { 'sd.ckpt': content } } });
  dir = mkdtempSync(join(tmpdir(), 'sgool-takeover-'));
});
afterEach(async () => {
  await hub.close();
  rmSync(dir, { recursive: true });
});

const target = () => join(dir, 'blobs', hash);
function download(
  isTakenOver: boolean,
  { check = async () => {}, onBytes = (_: number) => {}, signal = new AbortController().signal } = {},
) {
  return downloadFile({
    client: createHubClient({ endpoint: hub.endpoint }),
    id: 'some/model',
    commit,
    file: { path: 'sd.ckpt', size: content.length, hash },
    target: target(),
    limits: { ...HUB_LIMITS, retries: 0 },
    lock: { signal, isTakenOver, check },
    signal,
    onBytes,
  });
}

it.each([
  [false, 'bytes=50000-'],
  [true, undefined],
])('takes up what is there, unless another process may still write to it: %s', async (isTakenOver, range) => {
  mkdirSync(join(dir, 'blobs'));
  writeFileSync(incompletePath(target()), content.subarray(0, 50_000));
  await download(isTakenOver);
  expect(hub.requests.find(({ storage }) => storage)?.range).toBe(range);
  expect(readFileSync(target()).equals(content)).toBe(true);
});

it('gives no name to a file that another process has begun in its place', async () => {
  const onBytes = (bytes: number) => {
    if (bytes < content.length) return;
    rmSync(incompletePath(target()));
    writeFileSync(incompletePath(target()), 'half');
  };
  await expect(download(false, { onBytes })).rejects.toBeInstanceOf(LostLock);
  expect(existsSync(target())).toBe(false);
  expect(readFileSync(incompletePath(target()), 'utf8')).toBe('half');
});

it('gives no name to a file whose lock is another one’s', async () => {
  const check = () => Promise.reject(new LostLock('taken'));
  await expect(download(false, { check })).rejects.toBeInstanceOf(LostLock);
  expect(readdirSync(join(dir, 'blobs'))).toEqual([`${hash}.sgool-incomplete`]);
});

it('ends with the reason of its signal, even where the disk refuses', async () => {
  writeFileSync(join(dir, 'blobs'), 'a file where the folder should be');
  const stopped = new Error('stopped');
  await expect(download(false, { signal: AbortSignal.abort(stopped) })).rejects.toBe(stopped);
  // Nothing has arrived that could be kept.
  await expect(download(false)).rejects.toThrow(/^hub: cannot write [^;]+; run the same command again/);
});
