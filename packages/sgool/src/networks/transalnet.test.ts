import { type ConstantSource, compile, frozen, grad, mul, type Shape, sum, trace } from '@sgool/autodiff';
import { expect, test } from 'vitest';
import { transalnetConfig } from './config.ts';
import { openFixture, readKeys, relativeError } from './testing.ts';
import { transalnet } from './transalnet.ts';

/**
 * The hash that fixtures/data/networks-transalnet.md describes: element `i` of tensor `t`, salt 1, in [-0.5, 0.5).
 */
function noise(i: number, t: number): number {
  let x = (Math.imul(i, 2654435761) + (t * 40503 + 97 + 12345)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 2246822519);
  x = Math.imul(x ^ (x >>> 13), 3266489917);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5;
}

function weightRule(name: string, shape: Shape): (u: number) => number {
  if (name.endsWith('num_batches_tracked')) return () => 0;
  if (name.endsWith('running_var')) return (u) => 1 + 0.5 * u;
  if (name.endsWith('running_mean')) return (u) => 0.2 * u;
  if (name.endsWith('position_embeddings')) return (u) => 0.5 * u;
  if (name.endsWith('.bias')) return (u) => 0.2 * u;
  if (shape.length === 1) return (u) => 1 + 0.2 * u;
  const gain = /transformer_encoder|patch_embeddings/.test(name) ? 1 : 1.4;
  const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
  return (u) => (u * 2 * Math.sqrt(3) * gain) / Math.sqrt(fanIn);
}

async function formulaWeights(variant: 'res' | 'dense') {
  const keys = await readKeys(`transalnet_${variant}`);
  const sources = new Map<string, ConstantSource>();
  [...keys.keys()].sort().forEach((name, t) => {
    const shape = keys.get(name)!;
    const rule = weightRule(name, shape);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => rule(noise(i, t)));
    sources.set(name, { dtype: 'float32', shape, data });
  });
  return frozen(sources, 'formula');
}

const [HEIGHT, WIDTH] = [288, 384];

/** Blocks of 16x16 with strong contrast under a little noise. */
function formulaPicture(): Float32Array {
  const r = Float32Array.from({ length: 3 * HEIGHT * WIDTH }, (_, i) => Math.fround(noise(i, 777)) + 0.5);
  const blocks = new Map<string, number>();
  const blockOf = (i: number) => {
    const [c, y, x] = [Math.floor(i / (HEIGHT * WIDTH)), Math.floor(i / WIDTH) % HEIGHT, i % WIDTH];
    return `${c},${y >> 4},${x >> 4}`;
  };
  r.forEach((value, i) => {
    blocks.set(blockOf(i), (blocks.get(blockOf(i)) ?? 0) + value / 256);
  });
  return r.map((value, i) => {
    const contrast = (blocks.get(blockOf(i))! - 0.5) * 6 + 0.5;
    return 0.9 * Math.min(Math.max(contrast, 0), 1) + 0.1 * value;
  });
}

test.each(['res', 'dense'] as const)(
  "full-size TranSalNet (%s) gives the map and gradient of the authors' code",
  async (variant) => {
    const fixture = await openFixture(`transalnet-${variant}`, { prefix: '' });
    const weights = await formulaWeights(variant);
    const shape = [1, 1, HEIGHT, WIDTH];
    const graph = trace(
      { picture: { shape: [1, 3, HEIGHT, WIDTH] }, cotangent: { shape } },
      ({ picture, cotangent }) => {
        const map = transalnet(transalnetConfig({ variant }), weights)(picture);
        const [gradient] = grad(sum(mul(map, cotangent)), [picture]);
        return { map, gradient: gradient! };
      },
    );
    const program = await compile(graph, { layout: 'lean' });
    const cotangent = Float32Array.from({ length: HEIGHT * WIDTH }, (_, i) => noise(i, 778));
    const { map, gradient } = await program.run({ picture: formulaPicture(), cotangent });
    await program.dispose();
    const everyFourth = (gradient as Float32Array).filter(
      (_, i) => i % 4 === 0 && Math.floor(i / WIDTH) % 4 === 0,
    );
    expect(relativeError(map as Float32Array, await fixture.array('map'))).toBeLessThan(1e-4);
    expect(relativeError(everyFourth, await fixture.array('input_gradient_stride4'))).toBeLessThan(1e-4);
  },
);
