/**
 * @file GFLOP/s of the ops that a UNet spends its time on, forward and backward, as a share of the rate of a plain matrix product
 * in the same run; and the time of each part of a UNet's pullback.
 */
import {
  attention,
  constant,
  conv2d,
  gradient,
  groupNorm,
  linear,
  matmul,
  type Shape,
  sizeOf,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { unet, unetConfig } from 'sgool/networks';
import { fastest, noise, profile } from './measure.ts';

const HELP = `Usage: npm run bench:ops -- [--long]

  --long  more runs, and Stable Diffusion's sizes (without it: about half a minute)
`;
if (process.argv.includes('--help')) {
  process.stdout.write(HELP);
  process.exit();
}
const long = process.argv.includes('--long');
const runs = long ? 20 : 5;

const frozen = (...shape: number[]): Tensor =>
  constant({ dtype: 'float32', shape, data: noise(sizeOf(shape)) });

interface Op {
  readonly name: string;
  /** Floating-point operations of the forward run. The gradient with respect to the input needs as many, unless `backward` says more. */
  readonly flops: number;
  /** Floating-point operations of the pullback as a multiple of the forward run's. */
  readonly backward?: number;
  readonly x: Shape;
  readonly weight?: Shape;
  readonly fn: (x: Tensor, weight: Tensor) => Tensor;
}

const conv = (channels: number, side: number, kernel: number): Op => ({
  name: `conv ${kernel}x${kernel} ${channels}->${channels}, ${side}x${side}`,
  flops: 2 * channels ** 2 * kernel ** 2 * side ** 2,
  x: [1, channels, side, side],
  weight: [channels, channels, kernel, kernel],
  fn: (x, w) => conv2d(x, w, undefined, { padding: (kernel - 1) / 2 }),
});
const heads = (tokens: number, width: number): Op => ({
  name: `attention 8 heads x ${width}, ${tokens} tokens`,
  flops: 4 * 8 * tokens ** 2 * width,
  backward: 2.5,
  x: [1, 8, tokens, width],
  fn: (x) => attention(x, x, x),
});
const batchConv = (batch: number, channels: number, side: number): Op => ({
  ...conv(channels, side, 3),
  name: `conv 3x3 ${channels}->${channels}, ${side}x${side}, batch ${batch}`,
  flops: batch * conv(channels, side, 3).flops,
  x: [batch, channels, side, side],
});

const ops: Op[] = [
  conv(320, 64, 3),
  conv(320, 32, 3),
  conv(320, 64, 1),
  {
    name: 'linear 320->1280, 4096 tokens',
    flops: 2 * 320 * 1280 * 4096,
    x: [4096, 320],
    weight: [1280, 320],
    fn: (x, w) => linear(x, w),
  },
  heads(1024, 80),
  ...(long ? [heads(4096, 40)] : []),
  batchConv(16, 32, 64),
  batchConv(32, 128, 16),
];

/** The op with constant weights, as when a latent is optimised. */
const withConstants = ({ x, weight, fn }: Op) =>
  trace({ x: { shape: x } }, (given) => ({ y: fn(given.x, weight ? frozen(...weight) : given.x) }));
/** The op with weights as inputs, as in training. */
const withParameters = ({ x, fn }: Op, weight: Shape) =>
  trace({ x: { shape: x }, w: { shape: weight } }, (given) => ({ y: fn(given.x, given.w) }));

const size = 2048;
const square = trace({ a: { shape: [size, size] }, b: { shape: [size, size] } }, ({ a, b }) => ({
  y: matmul(a, b),
}));
const peak = (2 * size ** 3) / (await fastest(square, runs)) / 1e6;
console.log(`matrix product ${size}x${size}: ${peak.toFixed(0)} GFLOP/s; shares below are of this\n`);

const cell = (flops: number, milliseconds: number) => {
  const rate = flops / milliseconds / 1e6;
  return `${rate.toFixed(0).padStart(5)} ${`${((100 * rate) / peak).toFixed(0)}%`.padStart(5)}`;
};
console.log(`${'GFLOP/s and share'.padEnd(44)}    forward   to input  to weight`);
for (const op of ops) {
  const back = op.flops * (op.backward ?? 1);
  const backward = gradient(withConstants(op), { of: 'y', wrt: ['x'], cotangents: 'dy' });
  // Attention is not linear, so its pullback computes the probabilities first.
  const cells = [
    cell(op.flops, await fastest(withConstants(op), runs)),
    cell(op.weight ? back : back + op.flops / 2, await fastest(backward, runs)),
  ];
  if (op.weight) {
    const parameters = gradient(withParameters(op, op.weight), { of: 'y', wrt: ['w'], cotangents: 'dy' });
    cells.push(cell(op.flops, await fastest(parameters, runs)));
  }
  console.log(`${op.name.padEnd(44)}${cells.join('')}`);
}

const map: Shape = [1, 320, 64, 64];
const norm = trace({ x: { shape: map } }, ({ x }) => ({ y: groupNorm(x, 32, frozen(320), frozen(320)) }));
const megabytes = (4 * 320 * 64 * 64) / 2 ** 20;
const forward = await fastest(norm, runs);
const backward = await fastest(gradient(norm, { of: 'y', wrt: ['x'], cotangents: 'dy' }), runs);
console.log(
  `\ngroup norm 320 channels, 64x64 (${megabytes} MB): forward ${forward.toFixed(2)} ms, to input ${backward.toFixed(2)} ms`,
);

/** Weights of any name and shape, small enough that activations neither vanish nor explode. */
const anyWeights: Weights = {
  has: () => true,
  get: (_, shape) => {
    const data = noise(sizeOf(shape));
    const scale = shape.length > 1 ? 2 / Math.sqrt(sizeOf(shape.slice(1))) : 1;
    return constant({ dtype: 'float32', shape, data: data.map((v) => v * scale) });
  },
};

interface UNetSize {
  readonly channels: readonly number[];
  readonly side: number;
  readonly batch: number;
  readonly contextWidth: number;
}

async function reportPullback(
  name: string,
  { channels, side, batch, contextWidth }: UNetSize,
): Promise<void> {
  const config = unetConfig({
    in_channels: 4,
    out_channels: 4,
    block_out_channels: channels,
    layers_per_block: 1,
    cross_attention_dim: contextWidth,
    attention_head_dim: 8,
    down_block_types: channels.map((_, i) =>
      i < channels.length - 1 ? 'CrossAttnDownBlock2D' : 'DownBlock2D',
    ),
    up_block_types: channels.map((_, i) => (i > 0 ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
  });
  const inputs = {
    sample: { shape: [batch, 4, side, side] },
    timestep: { shape: [batch] },
    context: { shape: [batch, 77, contextWidth] },
  };
  const network = trace(inputs, (given) => ({ y: unet(config, anyWeights)(given) }));
  const pullback = gradient(network, { of: 'y', wrt: ['sample'], cotangents: 'dy' });
  const { milliseconds, shares, byOp } = await profile(pullback, long ? 20 : 6);
  const percent = (share: number) => `${(100 * share).toFixed(0)}%`;
  console.log(
    `\npullback of a UNet, ${name}: ${milliseconds.toFixed(0)} ms; products and convolutions ${percent(shares.compute)}, ` +
      `norms, softmax and sums ${percent(shares.reducing)}, element-wise and layout ${percent(shares.elementwiseAndLayout)}`,
  );
  console.log(
    `  ${byOp
      .slice(0, 12)
      .map(([op, ms]) => `${op} ${percent(ms / milliseconds)}`)
      .join(', ')}`,
  );
}

await reportPullback('64/128/192 channels, 16x16, batch 2', {
  channels: [64, 128, 192],
  side: 16,
  batch: 2,
  contextWidth: 128,
});
const wide = { channels: [320, 640], batch: 1, contextWidth: 768 };
await reportPullback('320/640 channels, 32x32', { ...wide, side: 32 });
if (long) await reportPullback('320/640 channels, 64x64', { ...wide, side: 64 });
