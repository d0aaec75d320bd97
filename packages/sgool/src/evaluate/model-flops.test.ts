import { matmul, sizeOf, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { countModelFlops, networkModelFlops } from './model-flops.ts';

describe('model FLOPs', () => {
  it('count attention twice in the backward pass, and nothing for what has no backward pass', () => {
    const shapes = { latent: { shape: [2, 3] }, context: { shape: [3, 3] } };
    const graph = trace(shapes, ({ latent, context }) => {
      const mixed = matmul(latent, matmul(context, context));
      return { y: matmul(matmul(mixed, context), matmul(context, matmul(context, context))) };
    });
    const product = 2 * sizeOf([3, 3]) * 3;
    const rows = 2 * sizeOf([2, 3]) * 3;
    expect(countModelFlops(graph, 'latent')).toEqual({
      forward: 3 * product + 3 * rows,
      pullback: 3 * product + 6 * rows,
    });
    const own = trace({ latent: { shape: [3, 3] } }, ({ latent }) => ({ y: matmul(latent, latent) }));
    expect(countModelFlops(own, 'latent')).toEqual({ forward: product, pullback: 3 * product });
    expect(() => countModelFlops(own, 'x')).toThrow('no input "x"');
  });

  it('of a guided UNet grow with the image, and its pullback needs about twice the forward run', async () => {
    const call = { prompt: 'a red cat', guidanceScale: 3 };
    const small = await networkModelFlops('toybox', { ...call, width: 64, height: 64 });
    const large = await networkModelFlops('toybox', { ...call, width: 128, height: 128 });
    expect(large.forward / small.forward).toBeGreaterThan(3);
    for (const { forward, pullback } of [small, large]) {
      expect(pullback / forward).toBeGreaterThan(1.8);
      expect(pullback / forward).toBeLessThan(2.3);
    }
  });
});
