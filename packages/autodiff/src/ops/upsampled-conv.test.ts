/** @file A convolution at twice the size, by sums of its weights: the values and gradients of the two ops that it replaces. */
import {
  compile,
  constant,
  conv2d,
  grad,
  graphCost,
  mul,
  resizeNearest,
  sum,
  type Tensor,
  trace,
  upsampledConv2d,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { expectGradient, numbers } from '../testing/finite-differences.ts';
import { expectClose } from '../testing/fixtures.ts';
import { testDevice, untestable } from '../testing/test-device.ts';

const KERNEL = [5, 3, 3, 3];
const data = numbers(135, 1);
const bias = numbers(5, 2);

const constants = () => [
  constant({ dtype: 'float32', shape: KERNEL, data }),
  constant({ dtype: 'float32', shape: [5], data: bias }),
];
const summed = (x: Tensor) => upsampledConv2d(x, ...(constants() as [Tensor, Tensor]));
const inTwoSteps = (x: Tensor) =>
  conv2d(resizeNearest(x, 2), ...(constants() as [Tensor, Tensor]), { padding: 1 });

const withGradient = (op: (x: Tensor) => Tensor, shape: readonly number[]) =>
  trace({ x: { shape } }, ({ x }) => {
    const y = op(x);
    return { y, dx: grad(sum(mul(y, y)), [x])[0] };
  });

const numbersOf = async (op: (x: Tensor) => Tensor, shape: readonly number[]) => {
  const program = await compile(withGradient(op, shape), { device: testDevice });
  const { y, dx } = await program.run({
    x: numbers(
      shape.reduce((a, b) => a * b),
      3,
    ),
  });
  await program.dispose();
  return [y as Float32Array, dx as Float32Array] as const;
};

describe.skipIf(untestable)('with a constant weight', () => {
  it.each([
    ['one pixel', [1, 3, 1, 1]],
    ['one row', [1, 3, 1, 5]],
    ['odd sides, two images', [2, 3, 5, 7]],
  ])('%s: as resized and convolved', async (_, shape) => {
    const [ours, theirs] = [await numbersOf(summed, shape), await numbersOf(inTwoSteps, shape)];
    ours.forEach((values, k) => {
      expectClose(values, theirs[k], k === 0 ? 'value' : 'gradient');
    });
  });

  it('has second derivatives', async () => {
    await expectGradient({ x: [2, 3, 4, 3] }, ({ x }) => summed(x), { seed: 4, twice: true });
  });

  it('takes four multiplications for nine, forward and back', () => {
    const flops = (op: (x: Tensor) => Tensor) => graphCost(withGradient(op, [1, 3, 8, 8])).flops;
    expect(flops(summed) / flops(inTwoSteps)).toBeCloseTo(4 / 9, 6);
  });
});

it('a weight that is trained stays as it is, and has its gradient', async () => {
  const shapes = { x: [1, 3, 3, 4], w: KERNEL, b: [5] };
  const graph = trace({ x: { shape: shapes.x }, w: { shape: KERNEL } }, ({ x, w }) => ({
    y: upsampledConv2d(x, w),
  }));
  expect(graph.trace.nodes.map(({ op }) => op)).toEqual(['Resize', 'Conv']);
  await expectGradient(shapes, ({ x, w, b }) => upsampledConv2d(x, w, b), { seed: 5 });
});

it('a kernel of another size is refused', () => {
  const shapes = { x: { shape: [1, 3, 4, 4] }, w: { shape: [5, 3, 1, 1] } };
  expect(() => trace(shapes, ({ x, w }) => ({ y: upsampledConv2d(x, w) }))).toThrow(
    'upsampledConv2d: needs x [batch, in, h, w] and weight [out, in, 3, 3], got x [1,3,4,4] and weight [5,3,1,1]',
  );
});
