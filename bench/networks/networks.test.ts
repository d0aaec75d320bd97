import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTokenizer, openSafetensors, readTensor } from 'sgool/networks';
import { describe, expect, it } from 'vitest';
import { fileLayout, writeRandomWeights } from './random-weights.ts';
import { networkFile, networkFiles } from './stable-diffusion.ts';
import { writeTokenizer } from './tokenizer.ts';

describe('a model of full size with random weights', () => {
  it('has the sizes of the published files to the byte, old names in float32 and new ones in float16', () => {
    const files = networkFiles(1).filter(({ name }) => name !== 'clip');
    expect(files.map(({ name }) => name)).toEqual(['unet', 'vae', 'text_encoder']);
    for (const file of files) {
      expect(fileLayout(file, { precision: 'fp32', names: 'old' }).bytes).toBe(file.published?.fp32);
      expect(fileLayout(file, { precision: 'fp16', names: 'new' }).bytes).toBe(file.published?.fp16);
    }
  });

  it('has weights of the size that keeps the size of activations', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sgool-full-size-'));
    try {
      const path = join(folder, 'vae.safetensors');
      const vae = networkFile('vae', 8);
      const bytes = await writeRandomWeights(path, vae, { precision: 'fp16', names: 'old', seed: 0 });
      const file = await openSafetensors(path);
      expect(bytes).toBe(fileLayout(vae, { precision: 'fp16', names: 'old' }).bytes);
      expect(file.tensors.has('decoder.mid_block.attentions.0.query.weight')).toBe(true);
      const kernel = await readTensor(file, 'decoder.mid_block.resnets.0.conv1.weight');
      const variance = kernel.reduce((sum, value) => sum + value ** 2, 0) / kernel.length;
      expect(variance * 64 * 9).toBeCloseTo(1, 1);
      await writeTokenizer(folder);
      const tokenizer = await loadTokenizer(folder);
      expect(tokenizer.vocabSize).toBe(49_408);
      expect(tokenizer.encode('a red cat').length).toBeGreaterThan(4);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
