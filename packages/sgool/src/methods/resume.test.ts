import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { Generator } from '../random/generator.ts';
import type { MethodRequest } from '../request/request.ts';
import { SETTINGS } from '../request/settings/index.ts';
import { OPTIMISER_READS } from '../request/settings/optimiser.ts';
import { refinement } from './edit/refine.ts';
import { parseRefineRequest, type RefineRequest } from './edit/refine-request.ts';
import { METHOD_NAMES, methods } from './index.ts';
import type { Iteration, MethodState } from './run/iteration.ts';
import type { Method } from './run/method.ts';
import { requestTo } from './testing.ts';

let pipeline: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel();
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

/** Random cutouts, perturbations, momentum, selection and an early end: everything that a run can remember. */
const request: MethodRequest = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 2,
  iterations: 5,
  cutouts: 2,
  perturbation: 0.01,
  momentum: 0.5,
  patience: 5,
  sampler: 'ddim',
};

/** An image of noise. */
const picture = (seed: number) =>
  createImage(
    32,
    32,
    Uint8Array.from(new Generator(seed).rand([32 * 32 * 3]), (value) => 255 * value),
  );
const targetImages = [{ image: picture(2), weight: 0.5 }, { image: picture(3) }];
/** What has an effect beside the prompt: pictures, a text of CLIP's own. */
const target: Partial<MethodRequest> = { targetImages, textWeight: 2, clipPrompt: 'a blue cat' };

const comparable = ({ seconds: _, ...rest }: Iteration) => rest;

async function run(method: Pick<Method, 'run'>, input: MethodRequest, state?: MethodState) {
  const iterations: Omit<Iteration, 'seconds'>[] = [];
  const states: MethodState[] = [];
  const onState = (one: MethodState) => void states.push(structuredClone(one));
  for await (const iteration of method.run(pipeline, input, { onState, ...(state && { state }) })) {
    iterations.push(comparable(iteration));
  }
  return { iterations, states };
}

/** Leaves a run at each of its iterations, and goes on from there. */
async function expectSameFromEveryState(method: Pick<Method, 'run'>, input: MethodRequest) {
  const whole = await run(method, input);
  expect(whole.states.map(({ iteration }) => iteration)).toEqual(
    whole.iterations.slice(1).map(({ iteration }) => iteration),
  );
  for (const state of whole.states) {
    const rest = await run(method, input, state);
    expect(rest.iterations, `from ${state.iteration}`).toEqual(whole.iterations.slice(state.iteration));
  }
  return whole;
}

describe('a run that goes on from any of its states ends with the same numbers', () => {
  it.each(METHOD_NAMES)('%s', async (name) => {
    const { states } = await expectSameFromEveryState(methods[name], requestTo(name, request));
    // A method of one image has nothing to go on from.
    expect(states.length > 0).toBe(name !== 'sd');
  });

  it.each(SETTINGS.optimiser.options)('optimiser %s', async (optimiser) => {
    const { perturbation, momentum, ...rest } = request;
    const reads: readonly string[] = OPTIMISER_READS[optimiser];
    const asked = {
      ...rest,
      ...(reads.includes('perturbation') && { perturbation }),
      ...(reads.includes('momentum') && { momentum }),
      optimiser,
    };
    const { states } = await expectSameFromEveryState(methods.doodl, asked);
    expect(states.length).toBeGreaterThan(2);
  });

  it.each<[string, Partial<MethodRequest>]>([
    ['the generator of a graphics card', { rng: 'cuda' }],
    ['saliency maps that are kept', { saliencyEvery: 4, saliency: 'spectral-residual' }],
    ['saliency maps that are found once', { saliencyEvery: 0, saliency: 'spectral-residual' }],
    ['random boxes that are kept', { saliencyEvery: 2, saliency: 'random', cutouts: 0 }],
    ['random boxes through masks', { saliency: 'random', regionView: 'mask' }],
    ['a part of the Jacobians', { jacobianShare: 0.5 }],
    ['a sampler with fresh noise', { sampler: 'euler-ancestral' }],
    ['an invertible trajectory', { sampler: 'edict', iterations: 2 }],
    ['patience', { patience: 2, minImprovement: 1 }],
    ['the lowest loss', { keep: 'loss' }],
    ['target images', target],
    ['target images for parts of the prompt', { ...target, regionText: 'parts' }],
    ['a later start', { optimiseFrom: 0.5 }],
    ['a later start of a sampler with fresh noise', { optimiseFrom: 1, sampler: 'euler-ancestral' }],
    ['a later start of an invertible pair', { optimiseFrom: 1, sampler: 'edict', iterations: 2 }],
  ])('%s', (_, settings) =>
    expectSameFromEveryState(methods.sgool, { ...request, ...settings }).then(() => {}),
  );

  it.each(['best-of', 'clip-guided', 'flowchef'] as const)('%s with target images', async (name) => {
    const { states } = await expectSameFromEveryState(
      methods[name],
      requestTo(name, { ...request, iterations: 2, ...target }),
    );
    expect(states.length).toBeGreaterThan(0);
  });

  const { sampler: _, ...settings } = request;
  const mask = createImage(
    32,
    32,
    Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
  );
  const from = { sourcePrompt: 'a cat' };
  const sdedit = { edit: 'sdedit', strength: 1 } as const;
  it.each<[string, Omit<RefineRequest, 'prompt' | 'image'>, Partial<MethodRequest>, number]>([
    ['a description', from, {}, 2],
    ['a description and a mask', { ...from, mask }, {}, 2],
    ['target images and a later start', { mask }, { ...target, optimiseFrom: 1 }, 2],
    ['image-to-image', sdedit, { sampler: 'euler-ancestral', iterations: 0 }, 0],
    ['Prompt-to-Prompt', { ...from, edit: 'p2p' }, { iterations: 0 }, 0],
    ['image-to-image with iterations', sdedit, { sampler: 'euler-ancestral' }, 2],
    ['image-to-image with iterations and a mask', { ...sdedit, mask }, { sampler: 'ddim', ...target }, 2],
  ])('refine with %s', async (_, how, more, states) => {
    const source = parseRefineRequest({ prompt: request.prompt, image: picture(1), ...how });
    const input = { ...settings, iterations: 2, saliency: 'centre', ...more } as const;
    const whole = await expectSameFromEveryState(refinement(source), input);
    expect(whole.states).toHaveLength(states);
  });
});

describe('a state', () => {
  it('holds the seed that was drawn', async () => {
    const input = { ...request, seed: -1, iterations: 2 };
    const { iterations, states } = await run(methods.doodl, input);
    const rest = await run(methods.doodl, input, states[0]);
    expect(rest.iterations).toEqual(iterations.slice(1));
  });

  it('is refused by another method, and with another seed', async () => {
    const { states } = await run(methods.doodl, { ...request, iterations: 1 });
    await expect(run(methods.sgool, request, states[0])).rejects.toThrow(
      'sgool: cannot go on from the state of a run of doodl',
    );
    await expect(run(methods.doodl, { ...request, seed: 6 }, states[0])).rejects.toThrow(
      'doodl: cannot go on from the state of a run with seed 5, got seed 6',
    );
  });
});
