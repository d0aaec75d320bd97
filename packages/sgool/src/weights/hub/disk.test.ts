import { readdirSync, readFileSync } from 'node:fs';
import { open, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { pullModel } from './pull.ts';
import { type FakeHub, fakePipeline, sha256, startHub } from './testing.ts';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, statfs: vi.fn(real.statfs) };
});

const ID = 'somebody/model';
const UNET = 'unet/diffusion_pytorch_model.safetensors';

let hub: FakeHub;
beforeEach(async () => {
  hub = await startHub({ [ID]: fakePipeline() });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await hub.close();
});

const pull = () => pullModel(ID, { env: hub.env, network: { retries: 0, retryDelay: 1 } });
const message = () => pull().then(String, (error: Error) => error.message);

/** The class of open files, which `node:fs/promises` does not export. */
async function fileHandles() {
  const handle = await open(process.execPath);
  await handle.close();
  return Object.getPrototypeOf(handle) as typeof handle;
}

it('a disk that is too small is reported before anything large is fetched', async () => {
  vi.mocked(statfs).mockResolvedValueOnce({ bavail: 10, bsize: 4096 } as never);
  expect(await message()).toMatch(
    /^hub: somebody\/model needs 0\.2 MB more, the disk of .* has 0\.0 MB left; make room, or set HF_HUB_CACHE/,
  );
  expect(hub.requests.some(({ storage }) => storage)).toBe(false);
});

it('a disk that fills up keeps what has arrived, and the next pull goes on from there', async () => {
  const handles = await fileHandles();
  const write = handles.write as (...args: unknown[]) => Promise<unknown>;
  let room = 70_000;
  const full = vi.spyOn(handles, 'write').mockImplementation(async function (
    this: unknown,
    ...args: unknown[]
  ) {
    const length = args[2] as number;
    if (length > room)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    room -= length;
    return write.apply(this, args) as never;
  } as never);
  expect(await message()).toMatch(
    /^hub: cannot write .*incomplete: no space left on the disk.*what has arrived \(.*\) is kept.*HF_HUB_CACHE/,
  );
  full.mockRestore();

  const { dir } = await pull();
  const expected = hub.models[ID].files[UNET];
  expect(sha256(readFileSync(path.join(dir, UNET)))).toBe(sha256(expected));
  expect(readdirSync(path.join(dir, '../../blobs')).filter((name) => name.includes('incomplete'))).toEqual(
    [],
  );
});

it('a cache that cannot be written is reported with its path', async () => {
  await writeFile(hub.cache, 'a file where the folder should be');
  expect(await message()).toMatch(
    /^hub: cannot write to the cache .*hub: a part of the path is a file, not a folder$/,
  );
});
