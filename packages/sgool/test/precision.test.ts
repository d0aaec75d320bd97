/** @file Toybox in float16, which the processor emulates: how close it comes to float32, and that overflow is reported. */
import path from 'node:path';
import { generate, loadPipeline, type Pipeline, UserError } from 'sgool';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { cosine, type Work, workOn } from './alike.ts';
import { psnr } from './psnr.ts';
import { copyOfToybox, describeOnToybox, poison } from './toybox-model.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

describeOnToybox('float16', () => {
  const pipelines: Pipeline[] = [];
  let [whole, half]: Work[] = [];
  beforeAll(async () => {
    for (const precision of ['float32', 'float16'] as const) {
      pipelines.push(await loadPipeline('toybox', { precision }));
    }
    [whole, half] = [await workOn(pipelines[0], 5), await workOn(pipelines[1], 5)];
  });
  afterAll(() => Promise.all(pipelines.map((pipeline) => pipeline.dispose())));

  it('makes nearly the same image', () => {
    const close = psnr(half.image, whole.image);
    expect(close).toBeGreaterThan(35);
    // Else nothing was rounded.
    expect(close).toBeLessThan(100);
  });

  it('has nearly the same gradients', () => {
    expect(cosine(half.denoiserGradient, whole.denoiserGradient)).toBeGreaterThan(0.99);
    expect(cosine(half.lossGradient, whole.lossGradient)).toBeGreaterThan(0.99);
    expect(half.loss / whole.loss).toBeCloseTo(1, 2);
  });
});

/** As float16. */
const SIXTY_THOUSAND = 0x7b53;

describeOnToybox('a model whose numbers grow beyond float16', () => {
  it('is reported with the network and the timestep, and works in float32', async () => {
    const { dir, remove } = await copyOfToybox();
    try {
      // Each fits; where a shortcut adds them they do not.
      for (const name of ['conv_in', 'down_blocks.0.resnets.0.conv2']) {
        await poison(
          path.join(dir, 'unet/diffusion_pytorch_model.safetensors'),
          `${name}.bias`,
          SIXTY_THOUSAND,
        );
      }
      const request = { prompt: 'a cat', seed: 0, method: 'sd', steps: 2, model: dir } as const;
      const failure = generate(request, { precision: 'float16' });
      await expect(failure).rejects.toThrow(UserError);
      await expect(failure).rejects.toThrow(
        /^sd: stopped in iteration 0: step 1 of 2: unet .* at timestep \d+: float16: numbers beyond 65504 in prediction; take precision float32/,
      );
      await expect(generate(request)).resolves.toBeDefined();
    } finally {
      await remove();
    }
  });
});
