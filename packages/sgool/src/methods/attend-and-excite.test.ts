import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { defined } from '../testing.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url).pathname;

/** A case of fixtures/make/attend_and_excite.py. */
interface Case {
  readonly scheduler: 'ddim' | 'pndm';
  readonly steps: number;
  readonly until: number;
  readonly size: number;
  readonly thresholds: Readonly<Record<string, number>>;
  readonly words: readonly string[];
  readonly moves: number;
}

let pipeline: Pipeline;
let expected: SafetensorsFile;
beforeAll(async () => {
  pipeline = await loadPipeline(`${data}pipeline`, { threads: 1 });
  expected = await openSafetensors(`${data}attend-and-excite.safetensors`);
});
afterAll(() => pipeline.dispose());

const guided = { prompt: 'a photo of a cat', negativePrompt: 'dog', guidanceScale: 3, seed: 0 };

/** Runs the method and keeps the latents that it decodes. */
async function collect(request: object, given: Partial<Pipeline> = {}) {
  const finals: Float64Array[] = [];
  const iterations: Iteration[] = [];
  const watched: Pipeline = {
    ...pipeline,
    ...given,
    decode(latent, size) {
      finals.push(latent);
      return pipeline.decode(latent, size);
    },
  };
  const run = methods['attend-and-excite'].run(watched, { ...guided, ...request });
  for await (const one of run) iterations.push(one);
  return { finals, iterations };
}

const largestError = (actual: Float64Array, wanted: Float64Array) =>
  Math.max(...actual.map((value, i) => Math.abs(value - wanted[i]))) /
  Math.max(...wanted.map((value) => Math.abs(value)));

describe('the chain of diffusers', () => {
  it.each(['ddim', 'ddim refined', 'pndm refined'])('%s', async (name) => {
    const one: Case = JSON.parse(defined(expected.metadata[name]));
    const thresholds = Object.entries(one.thresholds).map(([step, least]) => `${step}:${least}`);
    const { finals, iterations } = await collect({
      tokens: one.words.join(', '),
      sampler: one.scheduler,
      steps: one.steps,
      attendUntil: one.until,
      attentionStepSize: one.size,
      refineThresholds: thresholds.join(',') || 'none',
    });
    const wanted = (await readTypedTensor(expected, name)).data as Float64Array;
    expect(largestError(finals[1], wanted)).toBeLessThan(1e-4);
    // Each move is a gradient; a refined step has one evaluation more, whose gradient moves the latent only before attendUntil.
    const { pullback, forward } = iterations[1].evaluations;
    expect(pullback - one.moves).toBe(name === 'ddim refined' ? 1 : 0);
    expect(forward - pullback).toBe(2 * 2 * (one.steps + (one.scheduler === 'pndm' ? 1 : 0)));
  });
});
