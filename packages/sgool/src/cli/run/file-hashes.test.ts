import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { modelHash } from './file-hashes.ts';

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
