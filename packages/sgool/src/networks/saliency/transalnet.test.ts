import {
  type ConstantSource,
  compile,
  frozen,
  grad,
  mul,
  type Shape,
  sum,
  type TensorMap,
  trace,
} from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { compareWithFixture, openFixture, readKeys, relativeError } from '../testing.ts';
import { transalnet } from './transalnet.ts';
import { transalnetConfig } from './transalnet-config.ts';

/**
 * Fills with `offset + scale * u(i)`, where u is the hash in [-0.5, 0.5) that fixtures/data/networks-transalnet.md
 * describes, for tensor number `t` and salt 1.
 */
function noise(length: number, t: number, offset = 0, scale = 1): Float32Array {
  const values = new Float32Array(length);
  const salt = t * 40503 + 97 + 12345;
  for (let i = 0; i < length; i++) {
    let x = (Math.imul(i, 2654435761) + salt) | 0;
    x = Math.imul(x ^ (x >>> 16), 2246822519);
    x = Math.imul(x ^ (x >>> 13), 3266489917);
    values[i] = offset + scale * (((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5);
  }
  return values;
}

function formulaWeight(name: string, shape: Shape, t: number): Float32Array {
  const length = shape.reduce((a, b) => a * b, 1);
  if (name.endsWith('num_batches_tracked')) return noise(length, t, 0, 0);
  if (name.endsWith('running_var')) return noise(length, t, 1, 0.5);
  if (name.endsWith('running_mean')) return noise(length, t, 0, 0.2);
  if (name.endsWith('position_embeddings')) return noise(length, t, 0, 0.5);
  if (name.endsWith('.bias')) return noise(length, t, 0, 0.2);
  if (shape.length === 1) return noise(length, t, 1, 0.2);
  const gain = /transformer_encoder|patch_embeddings/.test(name) ? 1 : 1.4;
  return noise(length, t, 0, (2 * Math.sqrt(3) * gain) / Math.sqrt(length / shape[0]));
}

async function formulaWeights(variant: 'res' | 'dense') {
  const keys = await readKeys(`transalnet_${variant}`);
  const sources = new Map<string, ConstantSource>();
  [...keys.keys()].sort().forEach((name, t) => {
    const shape = required(keys.get(name));
    const data = formulaWeight(name, shape, t);
    sources.set(name, { dtype: 'float32', shape, data });
  });
  return frozen(sources, 'formula');
}

const [HEIGHT, WIDTH] = [288, 384];

/** Blocks of 16x16 with strong contrast under a little noise. */
function formulaImage(): Float32Array {
  const r = noise(3 * HEIGHT * WIDTH, 777, 0.5);
  const blocks = new Map<string, number>();
  const blockOf = (i: number) => {
    const [c, y, x] = [Math.floor(i / (HEIGHT * WIDTH)), Math.floor(i / WIDTH) % HEIGHT, i % WIDTH];
    return `${c},${y >> 4},${x >> 4}`;
  };
  r.forEach((value, i) => {
    blocks.set(blockOf(i), (blocks.get(blockOf(i)) ?? 0) + value / 256);
  });
  return r.map((value, i) => {
    const contrast = (required(blocks.get(blockOf(i))) - 0.5) * 6 + 0.5;
    return 0.9 * Math.min(Math.max(contrast, 0), 1) + 0.1 * value;
  });
}

it.each(['res', 'dense'] as const)(
  "full-size TranSalNet (%s) gives the map of the authors' code",
  async (variant) => {
    const fixture = await openFixture(`transalnet-${variant}`, { prefix: '' });
    const weights = await formulaWeights(variant);
    const picture = { shape: [1, 3, HEIGHT, WIDTH] };
    const cotangent = { shape: [1, 1, HEIGHT, WIDTH] };
    const graph = trace({ picture, cotangent }, (inputs) => {
      const map = transalnet(transalnetConfig({ variant }), weights)(inputs.picture);
      const [gradient] = grad(sum(mul(map, inputs.cotangent)), [inputs.picture]);
      return { map, gradient: gradient };
    });
    const program = await compile(graph, { layout: 'lean' });
    const results = await program.run({ picture: formulaImage(), cotangent: noise(HEIGHT * WIDTH, 778) });
    await program.dispose();
    const map = results.map as Float32Array;
    const gradient = (results.gradient as Float32Array).filter(
      (_, i) => i % 4 === 0 && Math.floor(i / WIDTH) % 4 === 0,
    );
    expect(relativeError(map, await fixture.array('map'))).toBeLessThan(1e-5);
    // Among millions of ReLUs a few sit so close to 0 that rounding decides their side: torch's own float32 and float64
    // gradients of the Res network differ by 4e-3 in this norm. The small networks below hold the gradient tightly.
    const expected = await fixture.array('input_gradient_stride4');
    expect(distance(gradient, expected)).toBeLessThan(
      1e-2 * distance(expected, new Float32Array(expected.length)),
    );
  },
  // About 5 s on two idle cores; other work beside it must not make it fail.
  180_000,
);

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < b.length; i++) squares += (a[i] - b[i]) ** 2;
  return Math.sqrt(squares);
}

it.each(['res', 'dense'] as const)(
  'small TranSalNet (%s) differentiates as torch does, with stored and with batch statistics',
  async (variant) => {
    const fixture = await openFixture(`transalnet-${variant}-small`);
    const config = transalnetConfig(fixture.config);
    const counts = new Map<string, number>();
    const errors = await compareWithFixture(fixture, {
      inputs: ['picture'],
      network({ picture }, weights) {
        const statistics = new Map<string, TensorMap>();
        const training = transalnet(config, weights, {
          training: true,
          onBatchStatistics(name, { mean, variance, count }) {
            statistics.set(name, { mean, variance });
            counts.set(name, count);
          },
        });
        const map = transalnet(config, weights)(picture);
        return { map, trainingMap: training(picture), ...statistics.get('decoder.batchnorm6') };
      },
    });
    expect(Object.keys(errors)).toHaveLength(4 + 7);
    // Batch statistics of the deepest map are taken over four values, which magnifies rounding.
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-4);
    expect(counts.get('decoder.batchnorm6')).toBe(2 * 32 * 64);
  },
);
