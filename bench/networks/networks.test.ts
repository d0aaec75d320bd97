import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sizeOf } from '@sgool/autodiff';
import { loadT5Tokenizer, loadTokenizer, openSafetensors, readTensor } from 'sgool/networks';
import { describe, expect, it } from 'vitest';
import { FULL_SIZE_MODELS } from './models.ts';
import type { FullSizeModel } from './network-file.ts';
import { fileLayout, writeRandomWeights } from './random-weights.ts';
import { networkFile, networkFiles } from './stable-diffusion.ts';
import { T5_VOCABULARY, writeT5Tokenizer } from './t5-tokenizer.ts';
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

  it('writes bfloat16 that reads as the same numbers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sgool-full-size-'));
    try {
      const vae = networkFile('vae', 8);
      const [whole, half] = await Promise.all(
        (['fp32', 'bf16'] as const).map(async (precision) => {
          const path = join(folder, `${precision}.safetensors`);
          const bytes = await writeRandomWeights(path, vae, { precision, names: 'new', seed: 3 });
          expect(bytes).toBe(fileLayout(vae, { precision, names: 'new' }).bytes);
          return readTensor(await openSafetensors(path), 'decoder.conv_in.weight');
        }),
      );
      half.forEach((value, i) => {
        // 8 bits of mantissa, rounded towards zero.
        expect(Math.abs(value - whole[i])).toBeLessThanOrEqual(Math.abs(whole[i]) * 2 ** -7);
        expect(Math.abs(value)).toBeLessThanOrEqual(Math.abs(whole[i]));
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a flow of full size', () => {
  /** Weights of the transformer, without the table of places. */
  const weightsOf = ({ files }: FullSizeModel) =>
    [...files[0].shapes]
      .filter(([name]) => name !== 'pos_embed.pos_embed')
      .reduce((sum, [, shape]) => sum + sizeOf(shape), 0);

  it('has as many tensors and weights as the published transformers', () => {
    const [medium, schnell] = [FULL_SIZE_MODELS['sd35-medium'](1), FULL_SIZE_MODELS['flux-schnell'](1)];
    expect(medium.files[0].shapes.size).toBe(909);
    expect(schnell.files[0].shapes.size).toBe(1156);
    expect(weightsOf(medium) / 1e9).toBeCloseTo(2.24, 2);
    expect(weightsOf(schnell) / 1e9).toBeCloseTo(11.89, 2);
  });

  it('has a tokenizer in the layout of T5', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sgool-full-size-'));
    try {
      await writeT5Tokenizer(folder);
      const ids = [...(await loadT5Tokenizer(folder)).encode('a cat', 8).ids];
      // Letter by letter, the end, and padding.
      expect(ids.slice(5)).toEqual([0, 0, 0]);
      expect(ids[4]).toBe(1);
      expect(Math.max(...ids)).toBeLessThan(T5_VOCABULARY);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
