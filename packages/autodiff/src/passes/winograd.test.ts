/** @file Winograd's algorithm: the numbers of the convolution, by 16 products. Where it gains nothing, the convolution stays. */
import { cast, compile, constant, conv2d, type Graph, gradient, graphCost, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { numbers } from '../testing/finite-differences.ts';
import { runPasses } from './pipeline.ts';
import type { Device, Precision } from './target.ts';

type Options = Parameters<typeof conv2d>[3];

interface Case {
  readonly x?: readonly number[];
  readonly weight?: readonly number[];
  readonly bias?: boolean;
  readonly isConstant?: boolean;
  readonly options?: Options;
}

const product = (shape: readonly number[]) => shape.reduce((size, length) => size * length, 1);

function convolution({
  x: shape = [1, 256, 32, 32],
  weight = [256, 256, 3, 3],
  bias = true,
  isConstant = true,
  options = { padding: 1 },
}: Case = {}): Graph {
  const source = (of: readonly number[], seed: number) =>
    constant({ dtype: 'float32', shape: of, data: numbers(product(of), seed) });
  const inputs = { x: { shape }, ...(isConstant ? {} : { weight: { shape: weight } }) };
  return trace(inputs, (given) => ({
    y: conv2d(given.x, given.weight ?? source(weight, 1), bias ? source([weight[0]], 2) : undefined, options),
  }));
}

const opsOf = (graph: Graph, device: Device = 'cpu', precision: Precision = 'float32') =>
  runPasses(graph, { device, precision, winograd: true }).nodes.map(({ op }) => op);
const isReplaced = (ops: readonly string[]) => !ops.includes('Conv') && ops.includes('SpaceToDepth');

/** With the weight as an input the convolution stays, and says what is right. */
async function compared(which: Case): Promise<number> {
  const { x = [1, 256, 32, 32], weight = [256, 256, 3, 3] } = which;
  const given = { x: numbers(product(x), 3), weight: numbers(product(weight), 1) };
  const [tiles, plain] = await Promise.all(
    [true, false].map(async (isConstant) => {
      const program = await compile(convolution({ ...which, isConstant }), { winograd: true, threads: 1 });
      const { y } = await program.run(given);
      await program.dispose();
      return y as Float32Array;
    }),
  );
  const largest = plain.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return plain.reduce((most, value, i) => Math.max(most, Math.abs(value - tiles[i])), 0) / largest;
}

it.each<[string, Case]>([
  ['with a bias', {}],
  [
    'a batch of maps that are wider than high, other channels',
    { x: [2, 256, 8, 64], weight: [288, 256, 3, 3], bias: false },
  ],
])('gives the numbers of the convolution: %s', async (_, which) => {
  expect(isReplaced(opsOf(convolution(which)))).toBe(true);
  expect(await compared(which)).toBeLessThan(2e-6);
});

it('takes 16 products for a convolution', () => {
  // As many more make the weights, when the program is compiled.
  expect(opsOf(convolution()).filter((op) => op === 'MatMul')).toHaveLength(32);
});

it('leaves a program with a backward pass as it is, and counts nothing for it', () => {
  const both = gradient(convolution({ bias: false }), { of: 'y', wrt: ['x'], cotangents: 'dy' });
  expect(isReplaced(opsOf(both))).toBe(false);
  expect(graphCost(both, 'lean', true)).toEqual(graphCost(both, 'lean'));
});

describe('the convolution stays', () => {
  it.each<[string, Case]>([
    ['with few channels', { weight: [128, 256, 3, 3] }],
    ['on small maps', { x: [1, 256, 16, 32] }],
    ['on maps that are too large for their windows', { x: [1, 256, 130, 128] }],
    ['with an odd side', { x: [1, 256, 33, 32] }],
    ['with a kernel of 1x1', { weight: [256, 256, 1, 1], options: {} }],
    ['with a stride', { options: { padding: 1, stride: 2 } }],
    ['without padding', { options: {} }],
    ['with dilation', { options: { padding: 1, dilation: 2 } }],
    ['with groups', { weight: [512, 256, 3, 3], x: [1, 512, 32, 32], options: { padding: 1, groups: 2 } }],
    ['by a weight that is an input', { isConstant: false }],
    ['by a weight that is too large to be copied', { weight: [2048, 256, 3, 3] }],
  ])('%s', (_, which) => {
    expect(isReplaced(opsOf(convolution(which)))).toBe(false);
  });

  it('unless it is asked for', () => {
    const { nodes } = runPasses(convolution(), { device: 'cpu', precision: 'float32' });
    expect(isReplaced(nodes.map(({ op }) => op))).toBe(false);
  });

  it('in half precision, and on other devices', () => {
    expect(isReplaced(opsOf(convolution(), 'cpu', 'float16'))).toBe(false);
    expect(isReplaced(opsOf(convolution(), 'webgpu'))).toBe(false);
    expect(isReplaced(opsOf(convolution(), 'cuda'))).toBe(false);
    const half = { dtype: 'float16', shape: [256, 256, 3, 3], data: new Uint16Array(256 * 256 * 9) } as const;
    const cast16 = trace({ x: { shape: [1, 256, 32, 32] } }, ({ x }) => ({
      y: conv2d(x, cast(constant(half), 'float32'), undefined, { padding: 1 }),
    }));
    expect(isReplaced(opsOf(cast16))).toBe(false);
  });
});

it('the copies of weights and the windows are counted as memory', () => {
  const cost = (which: Case) => graphCost(convolution({ bias: false, ...which }), 'lean', true);
  const [tiles, plain] = [cost({}), cost({ isConstant: false })];
  const map = 4 * 256 * 32 * 32;
  // The constant itself is in memory here, not in a file.
  expect(tiles.copiedBytes).toBe(4 * 256 * 256 * (9 + 16));
  expect(tiles.activationBytes).toBe(2 * map + 8 * map);
  expect(tiles.flops).toBe(plain.flops);
  expect(graphCost(convolution({ bias: false }), 'lean').copiedBytes).toBe(4 * 256 * 256 * 9);
});
