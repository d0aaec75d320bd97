import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { requirementText } from '../objectives/attention/requirement.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { AttentionLossName } from '../request/settings/attention.ts';
import { defined } from '../testing.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { requirementOf, thresholdsOf } from './attend-and-excite.ts';
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

const base = { tokens: '', require: '', attentionLoss: 'attend-and-excite' } as const;

describe('what the attention shall do', () => {
  const prompt = 'a red cat and a blue boat';
  it.each([
    ['the nouns of the prompt', {}, 'cat#1 and boat#1'],
    ['words that were named', { tokens: 'Cat, boat' }, 'cat and boat'],
    ['a text', { require: 'cat apart from boat; boat: blue' }, 'cat apart from boat; boat: blue'],
    [
      'nouns and their attributes, for a loss that knows them',
      { attentionLoss: 'predicated' },
      'cat#1 and boat#1; cat#1: red#1; boat#1: blue#1',
    ],
    ['attributes alone', { attentionLoss: 'syngen' }, 'cat#1: red#1; boat#1: blue#1'],
  ] as const)('comes from %s', (_, settings, text) => {
    const { requirement } = requirementOf('attend-and-excite', prompt, { ...base, ...settings });
    expect(requirementText(requirement)).toBe(text);
  });

  it.each([
    ['a red cat', {}, 'got "a red cat" (found: cat); name them with the option tokens or require'],
    ['red', { attentionLoss: 'predicated' }, 'got "red" (found: red); name them'],
    ['of', {}, 'got "of" (found: none); name them'],
    [
      'a cat and a boat',
      { attentionLoss: 'syngen' },
      'needs a prompt with two things or more and their attributes, got "a cat and a boat" (found: cat, boat)',
    ],
  ] as const)('is not found in %j', (text, settings, message) => {
    expect(() => requirementOf('attend-and-excite', text, { ...base, ...settings })).toThrow(message);
  });
});

describe('thresholds', () => {
  const at = (
    refineThresholds: string,
    steps = 50,
    attentionLoss: AttentionLossName = 'attend-and-excite',
  ) => [...thresholdsOf({ refineThresholds, attentionLoss, steps })];

  it('hold at steps, or shares of them', () => {
    expect(at('published')).toEqual([
      [0, 0.05],
      [10, 0.5],
      [20, 0.8],
    ]);
    expect(at('published', 50, 'divide-and-bind').map(([, threshold]) => threshold)).toEqual([
      0.05, 0.2, 0.3,
    ]);
    expect(at('published', 50, 'syngen')).toEqual([]);
    expect(at(' 0.5 : 0.2 , 3:1')).toEqual([
      [25, 0.2],
      [3, 1],
    ]);
    expect(at('none')).toEqual([]);
  });

  it.each([
    ['50:0.5', '50:0.5 is not usable; the step must be a share below 1 or a whole number below 50'],
    ['1.5:0.5', '1.5:0.5 is not usable'],
    ['0:0.1,0.01:0.2', '0.01:0.2 is the second threshold of step 0 of 50; give one for each step'],
    [
      '0:1.5',
      '0:1.5 is not usable; the step must be a share below 1 or a whole number below 50, the threshold at most 1',
    ],
  ])('are refused: %s', (text, message) => {
    expect(() => at(text)).toThrow(message);
  });
});

describe('a run', () => {
  const short = { steps: 2, refineThresholds: 'none' } as const;
  const tokens = 'photo, cat';

  it('is plain generation where the latent does not move', async () => {
    const [plain, unmoved] = (await collect({ ...short, tokens, attentionStepSize: 0 })).finals;
    expect(unmoved).toEqual(plain);
    const { finals, iterations } = await collect({
      ...short,
      tokens,
      attendUntil: 0,
      refineThresholds: '0:0',
    });
    expect(finals[1]).toEqual(finals[0]);
    // The step with a threshold is looked at; the one without costs nothing.
    expect(iterations[1].evaluations).toEqual({ forward: 9, pullback: 1 });
  });

  it.each([
    ['predicated', 'photo and cat; photo apart from cat; cat: photo'],
    ['divide-and-bind', 'photo and cat; cat: photo'],
    ['syngen', 'cat: photo'],
  ] as const)('lowers %s', async (attentionLoss, require) => {
    const losses: number[] = [];
    const watched: Partial<Pipeline> = {
      async attentionObjective(options, wanted) {
        const objective = await pipeline.attentionObjective(options, wanted);
        return {
          ...objective,
          async evaluate(latent, timestep) {
            const result = await objective.evaluate(latent, timestep);
            losses.push(result.loss);
            return result;
          },
        };
      },
    };
    // A threshold that cannot be reached keeps the latent of the first step moving.
    const thresholds = attentionLoss === 'syngen' ? {} : { refineThresholds: '0:1', refineSteps: 6 };
    await collect(
      { ...short, ...thresholds, attendUntil: 2, attentionStepSize: 0.5, attentionLoss, require },
      watched,
    );
    expect(losses[attentionLoss === 'syngen' ? 1 : 6]).not.toBe(losses[0]);
    if (attentionLoss !== 'syngen') expect(losses[6]).toBeLessThan(losses[0]);
  });

  it.each([
    [{ tokens: 'dog' }, 'tokens: "dog" is not in the prompt, whose words are: a photo of a cat'],
    [{ require: 'cat and dog' }, 'require: "dog" is not in the prompt'],
    [{ tokens: 'cat', require: 'cat' }, 'request: tokens and require both say what the attention must do'],
    [{ tokens: 'cat', attentionLoss: 'syngen' }, 'request: tokens says which things must exist, for which'],
    [
      { require: 'cat: photo' },
      'attentionLoss: attend-and-excite has no term for attributes of things ("dog: blue"); choose predicated or divide-and-bind or syngen',
    ],
    [
      { require: 'cat apart from photo', attentionLoss: 'divide-and-bind' },
      'divide-and-bind has no term for things that do not overlap ("cat apart from dog"); choose predicated',
    ],
    [
      { tokens, attentionResolution: 3 },
      'attention: there are no maps whose shorter side has at most 3 positions; the network has maps of 8x8, 4x4',
    ],
    [
      { refineThresholds: '0-1' },
      'refineThresholds is not usable, got "0-1"; must be published, none, or step:threshold',
    ],
    [{ sampler: 'edict' }, 'sampler is not usable, got "edict"'],
    [{}, 'attend-and-excite: needs a prompt with two things or more, got "a photo of a cat" (found: cat)'],
  ])('is refused in one line: %j', async (settings, message) => {
    await expect(collect({ ...short, ...settings })).rejects.toThrow(message);
    await expect(collect({ ...short, ...settings })).rejects.toBeInstanceOf(UserError);
  });

  it('reads the largest maps of at most the resolution', async () => {
    const layers = async (resolution: number) => {
      const options = { ...guided, width: 32, height: 32 };
      const objective = await pipeline.attentionObjective(options, {
        loss: 'attend-and-excite',
        requirement: requirementOf('', '', { ...base, tokens: 'cat' }).requirement,
        resolution,
        who: 'tokens',
      });
      return objective.layers.map(({ rows }) => rows);
    };
    expect(await layers(16)).toEqual([8, 8, 8]);
    expect(await layers(7)).toEqual([4]);
  });
});
