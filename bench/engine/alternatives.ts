/**
 * @file Compares several ways to compute a convolution's gradients, with weights as inputs (training): `npm run bench --
 * alternatives`. The candidates run in turns, so that other load on the machine affects all of them.
 */
import {
  concat,
  conv2d,
  convTranspose2d,
  grad,
  matmul,
  pad,
  reshape,
  slice,
  type Tensor,
  trace,
  transpose,
} from '@sgool/autodiff';
import { once, type Prepared, prepare } from './measure.ts';

const ROUNDS = 8;
const same = { padding: 1 };
type WeightRule = (dy: Tensor, x: Tensor) => Tensor;

/** The nine shifted views of a padded input whose height is `axis`. */
const views = (padded: Tensor, axis: number, side: number) =>
  Array.from({ length: 9 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3), i % 3];
    return slice(padded, [
      { axis, start: y, end: y + side },
      { axis: axis + 1, start: x, end: x + side },
    ]);
  });
const channelsLast = (x: Tensor) => pad(transpose(x, [0, 2, 3, 1]), [0, 1, 1, 0], [0, 1, 1, 0]);
const channelRows = (dy: Tensor) => reshape(transpose(dy, [1, 0, 2, 3]), [dy.shape[1], -1]);

const weightRules: Record<string, WeightRule> = {
  'nine products, channels last': (dy, x) => {
    const channels = x.shape[1];
    const products = views(channelsLast(x), 1, x.shape[2]).map((view) =>
      reshape(matmul(channelRows(dy), reshape(view, [-1, channels])), [1, dy.shape[1], channels]),
    );
    return transpose(concat(products, 0), [1, 2, 0]);
  },
  'im2col, one product': (dy, x) => {
    const columns = reshape(concat(views(channelsLast(x), 1, x.shape[2]), 3), [-1, 9 * x.shape[1]]);
    return matmul(channelRows(dy), columns);
  },
  'convolution with dy as the weight': (dy, x) =>
    conv2d(transpose(x, [1, 0, 2, 3]), transpose(dy, [1, 0, 2, 3]), undefined, same),
  'shifted rows and columns (in use)': (dy, x) => {
    // The weight's values do not enter its own gradient, so a slice takes its place.
    const channels = [dy.shape[1], x.shape[1]] as const;
    const weight = reshape(
      slice(reshape(x, [-1]), [{ axis: 0, start: 0, end: 9 * channels[0] * channels[1] }]),
      [...channels, 3, 3],
    );
    return grad(conv2d(x, weight, undefined, same), [weight], { cotangent: dy })[0];
  },
};

const inputRules: Record<string, (dy: Tensor, weight: Tensor) => Tensor> = {
  ConvTranspose: (dy, weight) => convTranspose2d(dy, weight, undefined, same),
  'mirrored convolution (in use)': (dy, weight) => {
    const x = dy;
    return grad(conv2d(x, weight, undefined, same), [x], { cotangent: dy })[0];
  },
};

async function race(candidates: Record<string, Prepared>, flops: number): Promise<void> {
  const best: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, prepared] of Object.entries(candidates)) {
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, await once(prepared));
    }
  }
  for (const [name, milliseconds] of Object.entries(best)) {
    const rate = (flops / milliseconds / 1e6).toFixed(0);
    console.log(`  ${name.padEnd(36)}${milliseconds.toFixed(1).padStart(7)} ms${rate.padStart(6)} GFLOP/s`);
    await candidates[name].program.dispose();
  }
}

for (const [batch, channels, side] of [
  [16, 16, 128],
  [16, 32, 64],
  [32, 64, 32],
  [32, 128, 16],
] as const) {
  const map = { shape: [batch, channels, side, side] };
  const flops = 2 * 9 * channels ** 2 * batch * side ** 2;
  console.log(`${channels} channels, ${side}x${side}, batch ${batch}: gradient with respect to the weight`);
  const weights: Record<string, Prepared> = {};
  for (const [name, rule] of Object.entries(weightRules)) {
    weights[name] = await prepare(trace({ dy: map, x: map }, ({ dy, x }) => ({ dw: rule(dy, x) })));
  }
  await race(weights, flops);
  console.log('  with respect to the input');
  const inputs: Record<string, Prepared> = {};
  for (const [name, rule] of Object.entries(inputRules)) {
    const graph = trace({ dy: map, w: { shape: [channels, channels, 3, 3] } }, ({ dy, w }) => ({
      dx: rule(dy, w),
    }));
    inputs[name] = await prepare(graph);
  }
  await race(inputs, flops);
}
