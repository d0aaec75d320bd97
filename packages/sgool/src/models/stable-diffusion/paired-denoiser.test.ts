import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ddim } from '../../diffusion/samplers/ddim.ts';
import { sample } from '../../diffusion/trajectory.ts';
import { alignTokens } from '../../methods/edit/token-alignment.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { Generator } from '../../random/generator.ts';
import { defined } from '../../testing.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../../weights/formats/safetensors.ts';
import { followsItself } from './paired-denoiser.ts';

const data = new URL('../../../../../fixtures/data/', import.meta.url).pathname;

/** A case of fixtures/make/prompt_to_prompt.py. */
interface Case {
  readonly source: string;
  readonly target: string;
  readonly cross: number;
  readonly self: number;
  readonly weights: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly scale: number;
}

let pipeline: Pipeline;
let expected: SafetensorsFile;
beforeAll(async () => {
  pipeline = await loadPipeline(`${data}pipeline`, { threads: 1 });
  expected = await openSafetensors(`${data}prompt-to-prompt.safetensors`);
});
afterAll(() => pipeline.dispose());

const size = { width: 32, height: 32 };
const noise = Float64Array.from(new Generator(0).randn([256]));
const both = Float64Array.from([...noise, ...noise]);

async function run({ source, target, cross, self, weights, steps, scale }: Case) {
  const sampler = ddim(pipeline.noisePath(size), steps);
  const options = { ...size, prompt: target, guidanceScale: scale, timesteps: sampler.timesteps };
  const attention = await pipeline.crossAttention(options);
  const { pieces } = await pipeline.crossAttention({ ...options, prompt: source });
  const { mapping, keep } = alignTokens(pieces, attention.pieces, attention.tokens);
  for (const [word, weight] of Object.entries(weights)) {
    for (const at of attention.occurrences(word).flat()) {
      keep[at] *= weight;
      for (let i = 0; i < attention.tokens; i++) mapping[i * attention.tokens + at] *= weight;
    }
  }
  const evaluations = { forward: 0, pullback: 0 };
  const denoiser = await pipeline.pairedDenoiser({
    ...options,
    sourcePrompt: source,
    mapping,
    keep,
    crossShare: cross,
    selfShare: self,
    evaluations,
  });
  const [final] = await sample(sampler, denoiser, both);
  return { final, evaluations, denoiser };
}

describe('the chains of PyTorch', () => {
  it.each(['swap', 'refine', 'weigh'])('%s', async (name) => {
    const one: Case = JSON.parse(defined(expected.metadata[name]));
    const { final, evaluations } = await run(one);
    const wanted = (await readTypedTensor(expected, name)).data as Float64Array;
    const largest = Math.max(...wanted.map(Math.abs));
    final.forEach((value, i) => {
      expect(Math.abs(value - wanted[i]) / largest).toBeLessThan(1e-4);
    });
    expect(evaluations).toEqual({ forward: 3 * one.steps, pullback: 0 });
  });
});

const plain = { weights: {}, steps: 3, scale: 1 };

it('is two plain chains where nothing follows, and one twice under one prompt', async () => {
  const [source, target] = ['a photo of a cat', 'a photo of a red dog'];
  const { final, evaluations } = await run({ ...plain, source, target, cross: 0, self: 0 });
  expect(evaluations.forward).toBe(6);
  const sampler = ddim(pipeline.noisePath(size), 3);
  for (const [i, prompt] of [source, target].entries()) {
    const denoiser = await pipeline.denoiser({ ...size, prompt, guidanceScale: 1 });
    const [alone] = await sample(sampler, denoiser, noise);
    alone.forEach((value, k) => {
      expect(final[256 * i + k]).toBeCloseTo(value, 4);
    });
  }
  const same = await run({ ...plain, source, target: source, cross: 1, self: 1 });
  same.final.subarray(0, 256).forEach((value, k) => {
    expect(same.final[256 + k]).toBeCloseTo(value, 4);
  });
});

it('lets small maps alone follow in their self-attention', () => {
  expect([followsItself(16, 16), followsItself(8, 32), followsItself(16, 17)]).toEqual([true, true, false]);
});

it('has no gradient', async () => {
  const { denoiser } = await run({ ...plain, source: 'a cat', target: 'a dog', cross: 1, self: 1 });
  expect(() => denoiser.pullback(both, 1, both)).toThrow('paired denoiser: it has no gradient');
});
