import { mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hashWeights, modelHash } from './file-hashes.ts';

it('the hash of weights is that of the file as it is now, also where it was hashed before', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-hash-'));
  const file = join(dir, 'model.ckpt');
  await writeFile(file, 'abc');
  // SHA-256 of "abc" and of "abd", FIPS 180-2 and sha256sum.
  expect([await modelHash(file), await modelHash(file)]).toEqual(['ba7816bf8f', 'ba7816bf8f']);
  await writeFile(file, 'abd');
  await utimes(file, new Date(), new Date(Date.now() + 5000));
  expect(await modelHash(file)).toBe('a52d159f26');
  await rm(dir, { recursive: true });
});

it('the weights of a run are named by its hashes, and not at all where it is stopped before', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-hash-'));
  const file = join(dir, 'model.ckpt');
  await writeFile(file, 'abc');
  const never = { signal: new AbortController().signal };
  const files = { weightsPath: file, given: 0, texts: [] };
  expect(await hashWeights({ ...files, loras: [{ path: file, weight: 0.5 }], given: 1 }, never)).toEqual({
    modelHash: 'ba7816bf8f',
    loras: [{ name: 'model', weight: 0.5, hash: 'ba7816bf8f01' }],
  });
  expect(await hashWeights({ given: 0, texts: [] }, never)).toEqual({});
  await expect(hashWeights({ ...files, weightsPath: join(dir, 'gone.ckpt') }, never)).rejects.toThrow(
    /ENOENT/,
  );
  // Some minutes of hashing.
  await truncate(file, 2 ** 37);
  const stop = new AbortController();
  const hashing = hashWeights(files, { signal: stop.signal, env: { SGOOL_DATA_DIR: dir } });
  setTimeout(() => stop.abort(), 30);
  expect(await hashing).toEqual({});
  // What was begun is not kept as if it were done.
  await truncate(file, 3);
  expect(await hashWeights(files, never)).toEqual({ modelHash: 'ba7816bf8f' });
  await rm(dir, { recursive: true });
});
