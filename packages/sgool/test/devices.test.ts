/**
 * @file Toybox on another device than the processor: the same images, the same gradients. `npm run test:webgpu` names the
 * device; a driver that emulates a card on the processor takes minutes.
 */
import { DEVICES, deviceState } from '@sgool/autodiff';
import { generate, loadPipeline, type Pipeline } from 'sgool';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cosine, type Work, workOn } from './alike.ts';
import { psnr } from './psnr.ts';
import { describeOnToybox } from './toybox-model.ts';

vi.setConfig({ testTimeout: 1_200_000, hookTimeout: 1_200_000 });

const wanted = DEVICES.find((name) => name === process.env.SGOOL_TEST_DEVICE);
const state = wanted && (await deviceState(wanted));
const reason = state?.works === false ? state.reason : 'SGOOL_TEST_DEVICE names none';

if (!wanted || !state?.works)
  describe.skip(`another device than the processor (skipped: ${reason})`, () => {});
else {
  describeOnToybox(wanted, () => {
    const pipelines: Pipeline[] = [];
    let [here, there]: Work[] = [];
    beforeAll(async () => {
      for (const device of ['cpu', wanted] as const) pipelines.push(await loadPipeline('toybox', { device }));
      [here, there] = [await workOn(pipelines[0], 3), await workOn(pipelines[1], 3)];
    });
    afterAll(() => Promise.all(pipelines.map((pipeline) => pipeline.dispose())));

    it('says what it computes on', () => {
      expect(pipelines[1].compute).toEqual({ device: wanted, precision: 'float32' });
    });

    it('makes the same image to 35 dB', () => {
      expect(psnr(there.image, here.image)).toBeGreaterThan(35);
    });

    it('has the same gradients', () => {
      expect(cosine(there.denoiserGradient, here.denoiserGradient)).toBeGreaterThan(0.999);
      expect(cosine(there.lossGradient, here.lossGradient)).toBeGreaterThan(0.999);
      expect(there.loss / here.loss).toBeCloseTo(1, 3);
    });

    it('moves the noise to the same place in an iteration', async () => {
      const request = {
        prompt: 'a red cat and a blue boat',
        seed: 0,
        steps: 2,
        iterations: 1,
        sampler: 'ddim',
      } as const;
      const [a, b] = await Promise.all(pipelines.map((pipeline) => generate(request, { pipeline })));
      expect(cosine(b.last.latent, a.last.latent)).toBeGreaterThan(0.999);
      expect(psnr(b.last.image, a.last.image)).toBeGreaterThan(35);
    });
  });
}
