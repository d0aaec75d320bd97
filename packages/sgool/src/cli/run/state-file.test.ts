import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readStateFile, writeStateFile } from './state-file.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-state-'));
  path = join(dir, 'state.safetensors');
});
afterEach(() => rm(dir, { recursive: true }));

const DATA = {
  text: 'a "red" cat\n',
  numbers: [0.1 + 0.2, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324],
  seed: 2n ** 64n - 1n,
  nothing: null,
  list: [{ latent: Float64Array.of(1 / 3, -0, Number.NaN) }, [Float32Array.of(0.1)]],
  words: Uint32Array.of(4294967295),
  pixels: Uint8Array.of(0, 255),
  empty: new Float64Array(),
};

describe('a state file', () => {
  it('gives back exactly what was written', async () => {
    await writeStateFile(path, DATA);
    expect(await readStateFile(path)).toStrictEqual(DATA);
  });

  it('leaves out what is undefined', async () => {
    await writeStateFile(path, { a: undefined, b: 1 });
    expect(await readStateFile(path)).toStrictEqual({ b: 1 });
  });

  it('notices a byte that changes, wherever it is', async () => {
    await writeStateFile(path, DATA);
    const bytes = await readFile(path);
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 1;
      await writeFile(path, changed);
      const read = await readStateFile(path).catch((error: Error) => error);
      // Blanks behind the header say nothing.
      if (read instanceof Error) expect(read.message).toContain(path);
      else expect(read).toStrictEqual(DATA);
    }
  });
});
