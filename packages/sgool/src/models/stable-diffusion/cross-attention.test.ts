import { mul, sum } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import type { DenoiserOptions } from '../backbone.ts';
import type { MapsComputation } from '../cross-attention.ts';

const options: DenoiserOptions = {
  prompt: 'a red cat and a (blue:1.2) boat',
  guidanceScale: 3,
  width: 32,
  height: 32,
};

let model: Awaited<ReturnType<typeof writeTinyModel>>;
let pipeline: Pipeline;
beforeAll(async () => {
  model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

const latent = Float64Array.from(new Generator(5).randn([256]));

it('has the layers of the network and the tokens of the prompt', async () => {
  const attention = await pipeline.crossAttention(options);
  expect(attention.layers.map(({ name, rows, columns }) => `${name} ${rows}x${columns}`)).toEqual([
    'down_blocks.0.attentions.0.transformer_blocks.0.attn2 8x8',
    'mid_block.attentions.0.transformer_blocks.0.attn2 4x4',
    'up_blocks.1.attentions.0.transformer_blocks.0.attn2 8x8',
    'up_blocks.1.attentions.1.transformer_blocks.0.attn2 8x8',
  ]);
  expect(attention.tokens).toBe(12);
  expect(attention.pieces).toEqual(
    ['a', 'red', 'cat', 'and', 'a', 'blue', 'boat'].map((word) => `${word}</w>`),
  );
  // The start token has index 0.
  expect(attention.occurrences('a')).toEqual([[1], [5]]);
  expect(attention.occurrences('blue')).toEqual([[6]]);
  expect(attention.occurrences('boat')).toEqual([[7]]);
  expect(attention.occurrences('red cat')).toEqual([[2, 3]]);
  expect(attention.occurrences('bird')).toEqual([]);
});

it('leaves out occurrences that are cut off', async () => {
  const prompt = 'a red cat and a blue boat and a red boat left of the cat';
  const { occurrences, pieces } = await pipeline.crossAttention({
    ...options,
    prompt,
    promptSyntax: 'plain',
  });
  expect(pieces).toHaveLength(10);
  expect(occurrences('cat')).toEqual([[3]]);
  expect(occurrences('red boat')).toEqual([]);
});

describe('a program', () => {
  const squares = (layers: MapsComputation['layers']): MapsComputation => ({
    key: 'squares',
    layers,
    inputs: { factor: { shape: [1] } },
    outputs: ([first, second], { factor }) => ({
      total: mul(factor, sum(mul(first, first), { axes: [0, 1, 2, 3], keepDims: false })),
      shares: sum(second, { axes: [3] }),
    }),
    differentiated: 'total',
  });

  it('gives what is computed, its gradient, and counts', async () => {
    const evaluations = { forward: 0, pullback: 0 };
    const attention = await pipeline.crossAttention({ ...options, evaluations });
    const run = attention.program(squares([attention.layers[0], attention.layers[1]]));
    const factor = Float32Array.of(10);
    const { shares, gradient } = await run(latent, 500, { factor });
    expect(shares).toHaveLength(2 * 4 * 4);
    for (const share of shares) expect(share).toBeCloseTo(1, 5);
    expect(evaluations).toEqual({ forward: 1, pullback: 1 });
    const length = Math.hypot(...gradient);
    const at = async (sign: number) => {
      const moved = latent.map((value, i) => value + (sign * 0.01 * gradient[i]) / length);
      return (await run(moved, 500, { factor })).total[0];
    };
    expect(((await at(1)) - (await at(-1))) / 0.02 / length).toBeCloseTo(1, 2);
  });

  it('gives the same where blocks are computed again, and without a gradient', async () => {
    const lean = await loadPipeline(model.dir, { threads: 1, memory: 'low' });
    try {
      const [wanted, got] = await Promise.all(
        [pipeline, lean].map(async (one) => {
          const attention = await one.crossAttention(options);
          const layers = attention.layers.slice(0, 2);
          return attention.program(squares(layers))(latent, 500, { factor: Float32Array.of(1) });
        }),
      );
      got.gradient.forEach((value, i) => {
        expect(value).toBeCloseTo(wanted.gradient[i], 5);
      });
      const evaluations = { forward: 0, pullback: 0 };
      const attention = await pipeline.crossAttention({ ...options, evaluations });
      const { differentiated: _, ...plain } = squares(attention.layers.slice(0, 2));
      const run = attention.program({ ...plain, key: 'squares alone' });
      const results = await run(latent, 500, { factor: Float32Array.of(1) });
      expect(results.total[0]).toBeCloseTo(wanted.total[0], 5);
      expect(Object.keys(results).sort()).toEqual(['shares', 'total']);
      expect(evaluations).toEqual({ forward: 1, pullback: 0 });
    } finally {
      await lean.dispose();
    }
  });
});

it.each([
  [
    'a [cat|boat]',
    {},
    /the prompt .*changes from step to step, and its tokens with it; write one that does not$/,
  ],
  [
    'a cat BREAK a boat',
    {},
    /is read in 2 chunks; its attention can be read for 10 tokens at most, without BREAK$/,
  ],
  [
    '("a cat", "a boat").blend(0.5, 0.5)',
    { promptSyntax: 'compel' },
    /is put together of 2 texts; its attention can be read for one$/,
  ],
  [
    'a cat',
    { negativePrompt: 'a red cat and a blue boat and a red boat left of the cat' },
    /^attention: the negative prompt is read in several chunks; the attention can be read beside one$/,
  ],
] as const)('refuses a prompt whose tokens are not one row: %s', async (prompt, more, message) => {
  const timesteps = [999, 500];
  await expect(pipeline.crossAttention({ ...options, ...more, prompt, timesteps })).rejects.toThrow(message);
});

it('reads weights as compel writes them', async () => {
  const prompt = 'a (red)1.3 cat';
  const { occurrences } = await pipeline.crossAttention({ ...options, prompt, promptSyntax: 'compel' });
  expect(occurrences('cat')).toEqual([[3]]);
});
