/**
 * @file `kill -9` at random moments while weights are added or a model is pulled: the store is always valid. SGOOL_KILLS says how
 * often; `npm run test:kills` kills 50 times.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { required } from '../src/errors.ts';
import { openSafetensors, readTensor } from '../src/weights/formats/safetensors.ts';
import { findSnapshot } from '../src/weights/hub/cache.ts';
import { pullModel } from '../src/weights/hub/pull.ts';
import { fakePipeline, gitHash, sha256, startHub } from '../src/weights/hub/testing.ts';
import { findAdded } from '../src/weights/open/added.ts';
import { storeAdded } from '../src/weights/open/store-added.ts';

const KILLS = Number(process.env.SGOOL_KILLS ?? 3);
// A busy machine takes some seconds to start a process.
const TIME = 60_000 + 20_000 * KILLS;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-kills-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Starts the target and kills it some time after it is ready. @returns whether it had ended by itself */
async function kill(
  words: readonly string[],
  milliseconds: number,
  env: Readonly<Record<string, string>> = {},
) {
  const script = fileURLToPath(new URL('kill-target.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', script, ...words],
    // The target's own files go into the folder of the test.
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: dir, ...env } },
  );
  const ended = new Promise((resolve) => child.on('close', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  await wait(milliseconds);
  child.kill('SIGKILL');
  await ended;
  return child.signalCode === null;
}

it('added weights are whole after every kill, the old ones or the new ones', { timeout: TIME }, async () => {
  const env = { SGOOL_DATA_DIR: join(dir, 'data') };
  const weights = join(dir, 'data/weights');
  for (let n = 0; n < KILLS; n++) {
    expect(await kill(['add', join(dir, 'data')], 40 * Math.random())).toBe(false);
    const found = required(findAdded('hps-v2', env));
    const { value } = JSON.parse(readFileSync(join(found, 'config.json'), 'utf8'));
    expect(readFileSync(join(found, 'vocab.txt'), 'utf8')).toBe(String(value));
    const file = await openSafetensors(join(found, 'model.safetensors'));
    expect(file.tensors.size).toBe(8);
    for (const name of file.tensors.keys()) {
      expect(new Set((await readTensor(file, name)) as Float32Array)).toEqual(new Set([value]));
    }
  }
  // The next process cleans up: this one has not written here yet.
  await storeAdded('hps-v2', { value: 2 }, new Map(), env);
  expect(readdirSync(weights)).toEqual(['hps-v2']);
  expect(readdirSync(join(dir, 'data/locks'))).toEqual([]);
});

it('a pulled model is whole or not found after every kill, and the next pull goes on', {
  timeout: TIME,
}, async () => {
  const id = 'some/model';
  const hub = await startHub({ [id]: fakePipeline() });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: join(dir, 'hub'), HF_TOKEN: 'x' };
  const blobs = join(dir, 'hub/models--some--model/blobs');
  try {
    for (let n = 0; n < KILLS; n++) {
      await kill(['pull', id], 400 * Math.random(), env);
      for (const name of existsSync(blobs) ? readdirSync(blobs) : []) {
        const content = readFileSync(join(blobs, name));
        if (!name.includes('incomplete')) expect([sha256(content), gitHash(content)]).toContain(name);
      }
      const found = findSnapshot(id, 'main', env);
      if (found === undefined) continue;
      expect(readFileSync(join(found.dir, 'unet/diffusion_pytorch_model.safetensors'), 'latin1')).toMatch(
        /^(unet32)+un$/,
      );
      rmSync(join(dir, 'hub'), { recursive: true });
    }
    const pulled = await pullModel(id, { env });
    for (const name of pulled.files) {
      expect(basename(name), name).not.toMatch(/tmp|incomplete/);
      expect(readFileSync(join(pulled.dir, name))).toEqual(Buffer.from(hub.models[id].files[name] as string));
    }
    const left = readdirSync(join(dir, 'hub'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((path) => /\.tmp$|incomplete|\.sgool$|\.old$/.test(path))).toEqual([]);
  } finally {
    await hub.close();
  }
});
