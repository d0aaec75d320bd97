/** Gradients on random shapes against finite differences: first derivatives of every family, second ones of most. */
import {
  add,
  attention,
  attentionWithProbabilities,
  avgPool2d,
  batchNorm,
  batchStatistics,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  div,
  exp,
  gather,
  gelu,
  groupNorm,
  layerNorm,
  linear,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  min,
  minimum,
  mul,
  pad,
  quickGelu,
  reshape,
  resizeBilinear,
  resizeNearest,
  resizeNearestTo,
  type Shape,
  silu,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  transpose,
} from '@sgool/autodiff';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { apart, expectGradient, numbers, type Op } from '../testing/finite-differences.ts';

const RUNS = 8;
const seed = fc.integer({ min: 0, max: 1e6 });
const length = fc.integer({ min: 1, max: 4 });
const shape = (minLength = 1, maxLength = 4) => fc.array(length, { minLength, maxLength });

/** Fixed random numbers, so that a failure repeats. */
async function holds<T>(
  arbitrary: fc.Arbitrary<T>,
  check: (given: T, seed: number) => Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitrary, seed, (given, s) => check(given, s)),
    { numRuns: RUNS, seed: 2026 },
  );
}

/** A shape and one that broadcasts with it. */
const broadcasting = shape().chain((full) =>
  fc
    .tuple(fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }), fc.nat(full.length))
    .map(([ones, drop]) => ({ full, thin: full.map((n, i) => (ones[i] ? 1 : n)).slice(drop) })),
);
const withAxis = (minLength = 1) =>
  shape(minLength).chain((s) => fc.nat(s.length - 1).map((axis) => ({ s, axis })));

describe('arithmetic', () => {
  it('broadcast operands get gradients of their own shapes', () =>
    holds(broadcasting, async ({ full, thin }, s) => {
      const shapes = { a: full, b: thin };
      await expectGradient(shapes, ({ a, b }) => div(mul(add(a, b), sub(b, a)), add(square(b), 1)), {
        seed: s,
      });
      await expectGradient(shapes, ({ a, b }) => mul(b, exp(tanh(a))), { seed: s, twice: true });
    }));

  it('minimum and maximum, away from ties', () =>
    holds(shape(), async (full, s) => {
      const halves = { x: [2, ...full] };
      const pick = (i: number) => [{ axis: 0, start: i, end: i + 1 }];
      const op: Op = ({ x }) =>
        mul(minimum(slice(x, pick(0)), slice(x, pick(1))), maximum(slice(x, pick(0)), slice(x, pick(1))));
      await expectGradient(halves, op, { seed: s, values: apart });
    }));
});

it('reductions over any axes', () =>
  holds(
    shape(1, 4).chain((s) => fc.tuple(fc.constant(s), fc.subarray(s.map((_, i) => i)), fc.boolean())),
    async ([s, axes, keepDims], random) => {
      const options = { axes, keepDims };
      const given = { seed: random, values: apart };
      await expectGradient({ x: s }, ({ x }) => add(sum(square(x), options), mean(x, options)), {
        seed: random,
      });
      await expectGradient({ x: s }, ({ x }) => mul(max(x, options), min(x, options)), given);
    },
  ));

it('matrix products with broadcast leading axes', () =>
  holds(fc.tuple(broadcasting, length, length, length), async ([{ full, thin }, m, k, n], s) => {
    const product: Op = ({ a, b }) => matmul(a, b);
    await expectGradient({ a: [...full, m, k], b: [...thin, k, n] }, product, { seed: s });
    await expectGradient({ a: [...thin, m, k], b: [...full, k, n] }, product, { seed: s, twice: true });
    await expectGradient({ a: [...full, m, k], b: [k, n] }, product, { seed: s });
  }));

it('linear on any number of leading axes', () =>
  holds(fc.tuple(shape(0, 3), length, length), async ([leading, i, o], s) => {
    const shapes = { x: [...leading, i], w: [o, i], b: [o] };
    await expectGradient(shapes, ({ x, w, b }) => linear(x, w, b), { seed: s });
    await expectGradient(shapes, ({ x, w, b }) => square(linear(x, w, b)), { seed: s, twice: true });
  }));

const geometry = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  channels: fc.integer({ min: 1, max: 3 }),
  outputs: fc.integer({ min: 1, max: 3 }),
  groups: fc.integer({ min: 1, max: 2 }),
  height: fc.integer({ min: 3, max: 9 }),
  width: fc.integer({ min: 3, max: 9 }),
  kernel: fc.tuple(length, length),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
});

it('convolutions of any geometry', () =>
  holds(geometry, async (g, s) => {
    const reach = (k: number) => g.dilation * (k - 1) + 1;
    const [top, left, bottom, right] = g.padding;
    const [kh, kw] = g.kernel;
    fc.pre(reach(kh) <= g.height + top + bottom && reach(kw) <= g.width + left + right);
    const shapes = {
      x: [g.batch, g.channels * g.groups, g.height, g.width],
      w: [g.outputs * g.groups, g.channels, kh, kw],
      b: [g.outputs * g.groups],
    };
    const op: Op = ({ x, w, b }) => conv2d(x, w, b, g);
    await expectGradient(shapes, op, { seed: s });
    await expectGradient(shapes, op, { seed: s, twice: true });
  }));

it('transposed convolutions of any geometry', () =>
  holds(geometry, async (g, s) => {
    const [kh, kw] = g.kernel;
    const padding = Math.min(g.padding[0], Math.floor((g.dilation * (Math.min(kh, kw) - 1)) / 2));
    const shapes = {
      x: [g.batch, g.outputs * g.groups, Math.ceil(g.height / 2), Math.ceil(g.width / 2)],
      w: [g.outputs * g.groups, g.channels, kh, kw],
      b: [g.channels * g.groups],
    };
    const op: Op = ({ x, w, b }) => convTranspose2d(x, w, b, { ...g, padding });
    await expectGradient(shapes, op, { seed: s });
    await expectGradient(shapes, op, { seed: s, twice: true });
  }));

it('pooling and resizing', () =>
  holds(
    fc.record({
      maps: fc.tuple(length, length),
      height: fc.integer({ min: 3, max: 8 }),
      width: fc.integer({ min: 3, max: 8 }),
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      padded: fc.boolean(),
      size: fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })),
    }),
    async ({ maps, height, width, kernel, stride, padded, size }, s) => {
      const options = { kernel, stride, padding: padded ? Math.floor(kernel / 2) : 0 };
      const shapes = { x: [...maps, height, width] };
      await expectGradient(shapes, ({ x }) => avgPool2d(x, options), { seed: s });
      await expectGradient(shapes, ({ x }) => square(maxPool2d(x, options)), { seed: s, values: apart });
      await expectGradient(shapes, ({ x }) => resizeNearest(x, kernel), { seed: s });
      await expectGradient(shapes, ({ x }) => resizeBilinear(x, ...size), { seed: s });
      await expectGradient(shapes, ({ x }) => resizeNearestTo(x, ...size), { seed: s });
      await expectGradient(shapes, ({ x }) => square(avgPool2d(x, options)), { seed: s, twice: true });
    },
  ));

it('gather along any axis with repeated indices', () =>
  holds(
    withAxis().chain(({ s, axis }) =>
      fc.record({
        s: fc.constant(s),
        axis: fc.constant(axis),
        ids: fc.array(fc.nat(s[axis] - 1), { maxLength: 6, minLength: 1 }),
      }),
    ),
    async ({ s, axis, ids }, random) => {
      const source = { dtype: 'int32' as const, shape: [ids.length], data: Int32Array.from(ids) };
      await expectGradient({ x: s }, ({ x }) => square(gather(x, constant(source), axis)), { seed: random });
      await expectGradient({ x: s }, ({ x }) => exp(gather(x, constant(source), axis)), {
        seed: random,
        twice: true,
      });
    },
  ));

it('slices, pads, joins and turns', () =>
  holds(
    withAxis().chain(({ s, axis }) =>
      fc.record({
        s: fc.constant(s),
        axis: fc.constant(axis),
        start: fc.nat(s[axis] - 1),
        step: fc.integer({ min: 1, max: 3 }),
        before: fc.array(fc.nat(2), { minLength: s.length, maxLength: s.length }),
        order: fc.shuffledSubarray(
          s.map((_, i) => i),
          { minLength: s.length },
        ),
      }),
    ),
    async ({ s, axis, start, step, before, order }, random) => {
      const op: Op = ({ x }) => {
        const part = slice(x, [{ axis, start, step }]);
        const joined = concat([part, square(x)], axis);
        const permuted = transpose(pad(joined, before, [...before].reverse(), 0.5), order);
        return reshape(permuted, [-1]);
      };
      await expectGradient({ x: s }, op, { seed: random });
      await expectGradient({ x: s }, op, { seed: random, twice: true });
    },
  ));

it('softmax along any axis', () =>
  holds(withAxis(), async ({ s, axis }, random) => {
    await expectGradient({ x: s }, ({ x }) => softmax(x, axis), { seed: random });
    await expectGradient({ x: s }, ({ x }) => logSoftmax(x, axis), { seed: random });
    await expectGradient({ x: s }, ({ x }) => softmax(x, axis), { seed: random, twice: true });
  }));

/** The deviation of fewer than four numbers can be near zero, where a norm is too steep for differences. */
const wideEnough = fc.integer({ min: 4, max: 8 });

it('norms', () =>
  holds(
    fc.record({
      leading: shape(1, 2),
      width: wideEnough,
      groups: fc.integer({ min: 1, max: 3 }),
      members: length,
    }),
    async ({ leading, width, groups, members }, s) => {
      const channels = groups * members;
      const affine = (n: number) => ({ w: [n], b: [n] });
      const layer = { x: [...leading, width], ...affine(width) };
      const group = { x: [leading[0], channels, width], ...affine(channels) };
      const batch = { x: [3, channels, width], ...affine(channels) };
      // eps of 0.1 keeps the third derivatives within what the differences resolve.
      await expectGradient(layer, ({ x, w, b }) => layerNorm(x, w, b, 0.1), { seed: s });
      await expectGradient(group, ({ x, w, b }) => groupNorm(x, groups, w, b, 0.1), { seed: s });
      // Frozen weights have another backward pass than trained ones.
      const held = (offset: number) => {
        const data = numbers(channels, s + offset);
        return constant({ dtype: 'float32', shape: [channels], data });
      };
      const frozen: Op = ({ x }) => groupNorm(x, groups, held(31), held(32), 0.1);
      await expectGradient({ x: group.x }, frozen, { seed: s });
      await expectGradient({ x: group.x }, frozen, { seed: s, twice: true });
      await expectGradient(batch, ({ x, w, b }) => batchNorm(x, batchStatistics(x), w, b, 0.1), {
        seed: s,
      });
      await expectGradient(layer, ({ x, w, b }) => layerNorm(x, w, b, 0.1), { seed: s, twice: true });
      await expectGradient(group, ({ x, w, b }) => groupNorm(x, groups, w, b, 0.1), {
        seed: s,
        twice: true,
      });
    },
  ));

it('activations', () =>
  holds(shape(), async (s, random) => {
    for (const op of [silu, gelu, quickGelu]) {
      await expectGradient({ x: s }, ({ x }) => op(x), { seed: random });
      await expectGradient({ x: s }, ({ x }) => op(x), { seed: random, twice: true });
    }
    await expectGradient({ x: s }, ({ x }) => sqrt(add(square(x), 1)), { seed: random });
  }));

it('attention', () =>
  holds(
    fc.record({ heads: fc.tuple(length, length), n: length, m: length, width: length, valueWidth: length }),
    async ({ heads, n, m, width, valueWidth }, s) => {
      const shapes: Record<string, Shape> = {
        q: [...heads, n, width],
        k: [...heads, m, width],
        v: [...heads, m, valueWidth],
      };
      const both: Op = ({ q, k, v }) => {
        const { output, probabilities } = attentionWithProbabilities(q, k, v);
        return add(sum(output, { axes: [-1] }), sum(square(probabilities), { axes: [-1] }));
      };
      await expectGradient(shapes, ({ q, k, v }) => attention(q, k, v), { seed: s });
      await expectGradient(shapes, both, { seed: s });
      await expectGradient(shapes, ({ q, k, v }) => attention(q, k, v), { seed: s, twice: true });
    },
  ));
