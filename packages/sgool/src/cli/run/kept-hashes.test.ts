import { mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { fileSha256 } from '../../platform/file-sha256.ts';
import { type KeptHashOptions, keptSha256 } from './kept-hashes.ts';

vi.mock('../../platform/file-sha256.ts', { spy: true });

// SHA-256 of "abc" and of "abd", FIPS 180-2 and sha256sum.
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const ABD = 'a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-kept-'));
  file = join(dir, 'model.safetensors');
  await writeFile(file, 'abc');
  later(10_000);
  vi.mocked(fileSha256).mockClear();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true });
});

/** Files seem to have been written so long ago. */
function later(milliseconds: number): void {
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now + milliseconds);
}

const place = () => join(dir, 'data', 'hashes.json');
const hash = (options: KeptHashOptions = {}) =>
  keptSha256(file, { env: { SGOOL_DATA_DIR: join(dir, 'data') }, leastBytes: 3, ...options });
const computed = () => vi.mocked(fileSha256).mock.calls.length;

it('the second start takes the hash of the first', async () => {
  expect([await hash(), await hash()]).toEqual([ABC, ABC]);
  expect(computed()).toBe(1);
});

it('a file with other content is hashed again, also one of the same size and time', async () => {
  await utimes(file, 1, 1);
  const { mtimeNs } = await stat(file, { bigint: true });
  await hash();
  await writeFile(file, 'abd');
  await utimes(file, 1, 1);
  expect((await stat(file, { bigint: true })).mtimeNs).toBe(mtimeNs);
  expect(await hash()).toBe(ABD);
  await writeFile(join(dir, 'other'), 'abc');
  await rename(join(dir, 'other'), file);
  expect(await hash()).toBe(ABC);
  expect(computed()).toBe(3);
});

it('what is hashed from a later byte on is kept apart', async () => {
  await hash();
  const rest = await hash({ start: 1 });
  expect(rest).not.toBe(ABC);
  expect([await hash({ start: 1 }), await hash()]).toEqual([rest, ABC]);
  expect(computed()).toBe(2);
});

it('small files, and files that have just been changed, are hashed each time', async () => {
  await hash({ leastBytes: 4 });
  vi.restoreAllMocks();
  await hash();
  await expect(readFile(place())).rejects.toThrow(/ENOENT/);
});

it.each<[string, (whole: string) => string]>([
  ['no JSON', (whole) => whole.slice(0, -4)],
  ['a list', () => '[]'],
  ['a number', (whole) => whole.replace(`"${ABC}"`, '7')],
  ['no digits', (whole) => whole.replace(ABC, 'x'.repeat(64))],
])('a damaged file of hashes is written anew: %s', async (_, damaged) => {
  await hash();
  const whole = await readFile(place(), 'utf8');
  expect(Object.values(JSON.parse(whole))).toEqual([
    { state: expect.stringMatching(/^3 \d+ \d+ \d+$/), sha256: ABC },
  ]);
  await writeFile(place(), damaged(whole));
  expect(await hash()).toBe(ABC);
  expect(await readFile(place(), 'utf8')).toBe(whole);
});

it('at most 200 are kept, the newest ones', async () => {
  await hash();
  const old = { state: '', sha256: ABD };
  await writeFile(
    place(),
    JSON.stringify(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`old ${i}`, old]))),
  );
  await hash();
  const names = Object.keys(JSON.parse(await readFile(place(), 'utf8')));
  expect([names.length, names[0]]).toEqual([200, 'old 1']);
  expect(names.at(-1)).toMatch(/model\.safetensors from byte 0$/);
});

it('where nothing can be kept, the hash is computed each time', async () => {
  await writeFile(join(dir, 'data'), 'a file in place of the folder');
  expect([await hash(), await hash()]).toEqual([ABC, ABC]);
  expect(computed()).toBe(2);
});

it('a hash that was ended is not kept', async () => {
  const stop = new AbortController();
  stop.abort();
  await expect(hash({ signal: stop.signal })).rejects.toThrow();
  expect(await hash()).toBe(ABC);
});
