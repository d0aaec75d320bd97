/** @file Parts of a model from elsewhere: whose configuration counts, and what is said. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { componentOf } from '../../models/components.ts';
import { readConfig } from '../sources/read-config.ts';
import { PIPELINE } from '../testing.ts';
import { openModel } from './open-model.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-open-model-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('an autoencoder from elsewhere', () => {
  it('has its own configuration where it is a folder, and the model’s where it is a file', async () => {
    const other = join(dir, 'vae');
    await cp(`${PIPELINE}vae`, other, { recursive: true });
    const own = await readConfig(join(other, 'config.json'));
    await writeFile(join(other, 'config.json'), JSON.stringify({ ...own, scaling_factor: 0.25 }));
    const factor = async (vae?: string) =>
      componentOf(await openModel(PIPELINE, { vae }), 'vae').config.scaling_factor;
    expect(await factor()).toBe(0.5);
    expect(await factor(other)).toBe(0.25);
    expect(await factor(join(other, 'diffusion_pytorch_model.safetensors'))).toBe(0.5);
  });
});

describe('embeddings', () => {
  it('are named after what the text encoder says already', async () => {
    const web = new URL('../../../../../fixtures/data/embeddings/web.pt', import.meta.url).pathname;
    expect(componentOf(await openModel(PIPELINE), 'text_encoder').notes).toBeUndefined();
    const model = await openModel(PIPELINE, { embeddings: [{ path: web }] });
    expect(componentOf(model, 'text_encoder').notes).toEqual([
      expect.stringMatching(/ in a prompt stands for web\.pt \(\d+ vectors?\); CLIP critics/),
    ]);
  });
});
