/**
 * @file Traces a tensor program, differentiates it, runs both on ONNX Runtime, and compares with a finite difference.
 *
 * npx tsx examples/06-gradient-of-a-tensor-program.ts
 */
import assert from 'node:assert/strict';
import { compile, conv2d, grad, mean, silu, square, trace } from '@sgool/autodiff';

const shapes = { image: { shape: [1, 3, 8, 8] }, weight: { shape: [4, 3, 3, 3] } };
const graph = trace(shapes, ({ image, weight }) => {
  const loss = mean(square(silu(conv2d(image, weight, undefined, { padding: 1 }))));
  const [dImage, dWeight] = grad(loss, [image, weight]);
  return { loss, dImage, dWeight };
});
const program = await compile(graph);

const image = Float32Array.from({ length: 3 * 8 * 8 }, (_, i) => Math.sin(i));
const weight = Float32Array.from({ length: 4 * 3 * 3 * 3 }, (_, i) => Math.cos(3 * i));
const { loss, dWeight } = await program.run({ image, weight });

// The slope of the loss along one weight, from two more runs.
const step = 1e-2;
const lossAt = async (change: number) => {
  const moved = weight.map((value, i) => (i === 5 ? value + change : value));
  return Number((await program.run({ image, weight: moved })).loss[0]);
};
const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
await program.dispose();

console.log(`loss ${loss[0]}, gradient ${dWeight[5]}, finite difference ${slope}`);
assert(
  Math.abs(Number(dWeight[5]) - slope) < 1e-3 * Math.abs(slope) + 1e-5,
  'the gradient must be the slope',
);
