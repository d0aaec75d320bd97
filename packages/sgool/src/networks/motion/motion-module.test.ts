/** @file UNets with motion modules against diffusers (fixtures/make/motion.py). */
import {
  compile,
  constant,
  frozen,
  type Graph,
  gradient,
  graphCost,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { describe, expect, it, test } from 'vitest';
import { Generator } from '../../random/generator.ts';
import { compareWithFixture, openFixture, relativeError } from '../testing.ts';
import { type Motion, type UNetOptions, unet } from '../unet/unet.ts';
import { motionModule, sinusoidalPositions } from './motion-module.ts';
import { motionUNetConfig } from './motion-unet.ts';

const INPUTS = ['sample:1', 'sample:2', 'sample:5', 'timestep', 'context'];
/** The UNet of a fixture, with its motion modules. */
function network(config: unknown, weights: Weights, options: UNetOptions = {}, own: Partial<Motion> = {}) {
  const { unet: pictures, motion } = motionUNetConfig(config);
  return unet(pictures, weights, { ...options, motion: { config: motion, weights, ...own } });
}

it.each([
  { name: 'motion', options: { checkpointBlocks: true }, layout: 'lean' },
  { name: 'motion-mid', options: {}, layout: 'fast' },
] as const)('$name: predicts and differentiates as diffusers does', async ({ name, options, layout }) => {
  const fixture = await openFixture(name);
  const errors = await compareWithFixture(fixture, {
    layout,
    inputs: INPUTS,
    network: ({ timestep, context, ...samples }, weights) => {
      const predict = (frames: number, norm?: Motion['norm']) => {
        const predicted = network(fixture.config, weights, options, { norm });
        return predicted({ sample: samples[`sample:${frames}`], timestep, context });
      };
      return {
        // With UNet2DConditionModel: a clip of one frame is a picture.
        'prediction:1': predict(1),
        // With UNetMotionModel.
        'prediction:2': predict(2),
        'prediction:5': predict(5),
        ...(fixture.names.has('frame:5') && { 'frame:5': predict(5, 'frame') }),
      };
    },
  });
  // Gradients are sums over four clips here, of eight frames and more: a little more is rounded off than in one picture.
  for (const [key, error] of Object.entries(errors)) expect(error, key).toBeLessThan(5e-5);
  for (const input of INPUTS) expect(errors).toHaveProperty([`gradient:${input}`]);
  if (name === 'motion') expect(errors).toHaveProperty(['frame:5']);
  else expect(Object.keys(errors).filter((key) => key.includes('motion_modules'))).toHaveLength(7);
});

test('computed in pieces, predictions and gradients are those of the whole', async () => {
  const { config, weights } = await openFixture('motion-mid');
  const random = new Generator(5);
  const inputs = {
    sample: Float32Array.from(random.randn([1, 4, 5, 4, 6])),
    timestep: Float32Array.of(500),
    context: Float32Array.from(random.randn([1, 5, 10])),
    cotangent: Float32Array.from(random.randn([1, 4, 5, 4, 6])),
  };
  const run = async (options: UNetOptions) => {
    const graph = trace(shapesOf(5), (given) => ({ y: network(config, weights, options)(given) }));
    const nodes = graph.trace.nodes.length;
    const program = await compile(
      gradient(graph, { of: 'y', wrt: ['sample'], cotangents: 'cotangent', keep: ['y'] }),
      { layout: 'lean' },
    );
    const results = await program.run(inputs);
    await program.dispose();
    return { ...results, nodes } as { y: Float32Array; 'grad:sample': Float32Array; nodes: number };
  };
  const whole = await run({});
  // Most layers of the larger maps are computed in two or three pieces.
  const cut = await run({ pieceBytes: 12_000 });
  expect(cut.nodes).toBeGreaterThan(1.5 * whole.nodes);
  expect(relativeError(cut.y, whole.y)).toBeLessThan(3e-6);
  expect(relativeError(cut['grad:sample'], whole['grad:sample'])).toBeLessThan(3e-6);
});

describe('a clip of many frames', () => {
  const windows = { frames: 4, stride: 2 };
  const random = new Generator(6);
  const inputs = {
    sample: Float32Array.from(random.randn([1, 4, 6, 4, 6])),
    timestep: Float32Array.of(500),
    context: Float32Array.from(random.randn([1, 5, 10])),
    cotangent: Float32Array.from(random.randn([1, 4, 6, 4, 6])),
  };
  const graphOf = async (frames: number, options: UNetOptions) => {
    const { config, weights } = await openFixture('motion-mid');
    return trace(shapesOf(frames), (given) => ({ y: network(config, weights, options, { windows })(given) }));
  };
  const back = (graph: Graph, keep: readonly string[] = []) =>
    gradient(graph, { of: 'y', wrt: ['sample'], cotangents: 'cotangent', keep });

  it('is computed in pieces of frames, with the numbers of the whole', async () => {
    const run = async (options: UNetOptions) => {
      const program = await compile(back(await graphOf(6, options), ['y']), { layout: 'lean' });
      const results = await program.run(inputs);
      await program.dispose();
      return results as { y: Float32Array; 'grad:sample': Float32Array };
    };
    const [whole, cut] = [await run({}), await run({ pieceFrames: 3 })];
    expect(relativeError(cut.y, whole.y)).toBeLessThan(1e-6);
    expect(relativeError(cut['grad:sample'], whole['grad:sample'])).toBeLessThan(3e-6);
  });

  it('needs no more memory than a shorter one but for what is kept from layer to layer', async () => {
    const growth = async (of: (graph: Graph) => Graph, options: UNetOptions) => {
      const bytes = async (frames: number) => graphCost(of(await graphOf(frames, options))).activationBytes;
      return (await bytes(16)) - (await bytes(8));
    };
    for (const of of [(graph: Graph) => graph, (graph: Graph) => back(graph)]) {
      const kept = await growth(of, { pieceFrames: 1 });
      expect(await growth(of, { pieceFrames: 4 })).toBeLessThan(1.15 * kept);
      // Kept beside it is what each layer computes.
      expect(await growth(of, { pieceFrames: 16 })).toBeGreaterThan(1.5 * kept);
    }
  });
});

const shapesOf = (frames: number) => ({
  sample: { shape: [1, 4, frames, 4, 6] },
  timestep: { shape: [1] },
  context: { shape: [1, 5, 10] },
});

/** A module of 8 channels, with a table of positions in the given order. */
async function mixed(x: Float32Array, table: Float32Array, frames: number): Promise<Float32Array> {
  const { weights } = await openFixture('motion-mid');
  const own: Weights = {
    has: (name) => name.endsWith('.pe') || weights.has(`down_blocks.0.motion_modules.0.${name}`),
    get: (name, shape) =>
      name.endsWith('.pe')
        ? constant({ dtype: 'float32', shape, data: table })
        : weights.get(`down_blocks.0.motion_modules.0.${name}`, shape),
  };
  const graph = trace({ x: { shape: [frames, 8, 2, 3] } }, (given) => ({
    y: motionModule(own, given.x, {
      frames,
      heads: 2,
      groups: 4,
      layers: 2,
      mostFrames: frames,
      norm: 'joint',
      pieces: { frames: 1, pixels: 1 },
      recompute: false,
    }),
  }));
  const program = await compile(graph);
  const { y } = await program.run({ x });
  await program.dispose();
  return y as Float32Array;
}

test('frames that change places with their positions change places in the result', async () => {
  const random = new Generator(3);
  const [x, table] = [Float32Array.from(random.randn([3, 48])), Float32Array.from(random.randn([3, 8]))];
  const moved = (values: Float32Array) => {
    const rows = [2, 0, 1].map((row) => [
      ...values.subarray((row * values.length) / 3, ((row + 1) * values.length) / 3),
    ]);
    return Float32Array.from(rows.flat());
  };
  const [plain, both] = [await mixed(x, table, 3), await mixed(moved(x), moved(table), 3)];
  for (const [i, value] of moved(plain).entries()) expect(both[i]).toBeCloseTo(value, 4);
  const framesAlone = await mixed(moved(x), table, 3);
  expect(Math.max(...moved(plain).map((value, i) => Math.abs(framesAlone[i] - value)))).toBeGreaterThan(0.01);
});

test('positions are sines on even channels and cosines on odd ones', () => {
  const table = sinusoidalPositions(3, 4);
  const row = (position: number, slow: number) => [
    Math.sin(position),
    Math.cos(position),
    Math.sin(slow),
    Math.cos(slow),
  ];
  const wanted = [...row(0, 0), ...row(1, 0.01), ...row(2, 0.02)];
  for (const [i, value] of wanted.entries()) expect(table[i]).toBeCloseTo(value, 6);
});

test('clips that are too long, or that nothing mixes, are refused in one line', async () => {
  const { config, weights } = await openFixture('motion-mid');
  expect(() => trace(shapesOf(7), (inputs) => ({ y: network(config, weights)(inputs) }))).toThrow(
    '7 frames at once are more than the table of positions of the motion modules has',
  );
  const alone = unet(motionUNetConfig(config).unet, frozen(new Map(), 'none'));
  expect(() => trace(shapesOf(2), (inputs) => ({ y: alone(inputs) }))).toThrow(
    'clips of 2 frames need motion modules',
  );
});
