import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { readBudget } from '../request/budget.ts';
import type { MethodRequest } from '../request/request.ts';
import { defined } from '../testing.ts';
import { estimateRun } from './estimate.ts';
import { METHODS, methods } from './index.ts';
import type { Iteration, MethodState } from './run/iteration.ts';
import { createSpending } from './run/spending.ts';
import { requestTo } from './testing.ts';

let pipeline: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel({ without: ['transalnet'] });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

/** A plain image is 4 calls: two steps, with and without prompt. */
const request: MethodRequest = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 2,
  sampler: 'ddim',
  cutouts: 2,
  saliency: 'centre',
};
const PLAIN = 4;
type Name = keyof typeof methods;

async function run(name: Name, settings: Partial<MethodRequest>, state?: MethodState) {
  const iterations: Iteration[] = [];
  const states: MethodState[] = [];
  const input = requestTo(name, { ...request, ...settings });
  for await (const one of methods[name].run(pipeline, input, {
    ...(state && { state }),
    onState: (saved) => void states.push(structuredClone(saved)),
  })) {
    iterations.push(one);
  }
  return { iterations, states, last: defined(iterations.at(-1)) };
}
const spentBy = ({ evaluations: { forward, pullback } }: Iteration) => forward + pullback;

describe('readBudget', () => {
  it.each([
    ['640calls', { limit: 640, unit: 'calls' }],
    ['2e12flops', { limit: 2e12, unit: 'flops' }],
    [' 1.5 S ', { limit: 1.5, unit: 's' }],
    ['3E+2calls', { limit: 300, unit: 'calls' }],
    ['0calls', undefined],
    ['640', undefined],
    ['-3s', undefined],
    ['1e999s', undefined],
    ['3s30', undefined],
  ])('%s', (text, expected) => {
    expect(readBudget(text)).toEqual(expected);
  });

  it('is refused in one line where it is none', async () => {
    await expect(run('best-of', { budget: '640' })).rejects.toThrow(
      'request: budget is not usable, got "640"; must be a number of network calls, FLOPs or seconds, such as 640calls, 2e12flops or 30s',
    );
  });
});

describe('what a run spends', () => {
  it('is over where another iteration as dear as the dearest does not fit', () => {
    let calls = 0;
    const spending = createSpending(
      { limit: 20, unit: 'calls' },
      { calls: () => calls, flops: () => 0, s: () => 0 },
    );
    const over = [4, 11, 13].map((now) => {
      calls = now;
      spending.note();
      return spending.isOver();
    });
    // 7 was the dearest: 13 and 7 are 20.
    expect(over).toEqual([false, false, false]);
    expect([spending.left(), spending.share(), spending.lastIteration(2, 9)]).toEqual([7, 0.65, 3]);
    calls = 14;
    spending.note();
    expect([spending.isOver(), spending.lastIteration(3, 9)]).toEqual([true, 3]);
  });
});

/** Those that have a budget. */
const NAMES = METHODS.filter(({ settings }) => Object.hasOwn(settings, 'budget')).map(({ name }) => name);

describe.each(NAMES)('%s with a budget', (name) => {
  it('makes as many iterations as fit, no more', async () => {
    const budget = 9 * PLAIN;
    const { iterations, last } = await run(name, { budget: `${budget}calls` });
    expect(iterations.length).toBeGreaterThan(1);
    expect(spentBy(last)).toBeLessThanOrEqual(budget);
    const dearest = Math.max(...iterations.slice(1).map((one, i) => spentBy(one) - spentBy(iterations[i])));
    expect(spentBy(last) + dearest).toBeGreaterThan(budget);
    expect(last.iterations).toBe(last.iteration);
  });

  it('ends by the number of iterations where that is given and smaller', async () => {
    const { iterations } = await run(name, { budget: '1000calls', iterations: 1 });
    expect(iterations).toHaveLength(2);
  });

  it('goes on from each of its states with the same images, and ends at the same', async () => {
    const settings = { budget: `${9 * PLAIN}calls` };
    const whole = await run(name, settings);
    const state = whole.states[Math.floor(whole.states.length / 2)];
    const rest = await run(name, settings, state);
    const kept = ({ iteration, latent, clip, evaluations }: Iteration) => ({
      iteration,
      latent,
      clip,
      evaluations,
    });
    expect(rest.iterations.map(kept)).toEqual(whole.iterations.slice(state.iteration).map(kept));
  });

  it('spends FLOPs likewise: the same whatever ran before it, and after a stop', async () => {
    const before = pipeline.meter.flops;
    await run(name, { iterations: 0 });
    const plain = pipeline.meter.flops - before;
    const budget = { budget: `${12 * plain}flops` };
    const start = pipeline.meter.flops;
    const first = await run(name, budget);
    const spent = pipeline.meter.flops - start;
    expect(spent).toBeLessThanOrEqual(12 * plain);
    expect(spent).toBeGreaterThan(5 * plain);
    const state = first.states[0];
    const rest = await run(name, budget, state);
    expect(rest.last.iteration).toBe(first.last.iteration);
    expect((await run(name, budget)).last.iteration).toBe(first.last.iteration);
  });

  it('is estimated by a dry run as it is', async () => {
    const settings = requestTo(name, { ...request, budget: `${30 * PLAIN}calls` });
    const before = pipeline.meter.flops;
    const { last } = await run(name, settings);
    const { operations } = await estimateRun({
      open: (programs) => loadPipeline(model.dir, { programs, threads: 1 }),
      method: methods[name],
      request: settings,
      iterations: 10_000,
      machine: { flops: 1e11 },
    });
    expect(last.iteration).toBeGreaterThan(2);
    // The reporting CLIP is no cost of a method, but takes its time.
    const ratio = operations / (pipeline.meter.flops - before);
    expect(ratio).toBeGreaterThan(0.95);
    expect(ratio).toBeLessThan(1.15);
  });
});

it('seconds end a run, too', async () => {
  const { iterations, last } = await run('best-of', { budget: '0.5s' });
  expect(last.iterations).toBe(last.iteration);
  // The dearest is not known before it was spent.
  const dearest = Math.max(...iterations.map(({ seconds }) => seconds.iteration));
  expect(last.seconds.total).toBeLessThan(0.5 + dearest);
  expect(last.seconds.total + dearest).toBeGreaterThan(0.45);
});

describe('resampling', () => {
  it('makes fewer particles where the budget does not hold more', async () => {
    const { iterations, last } = await run('resampling', { particles: 1000, budget: `${6 * PLAIN}calls` });
    // The plain image, and five particles.
    expect(iterations).toHaveLength(2);
    expect(spentBy(last)).toBe(6 * PLAIN);
  });

  it('counts what particles cost on their way, in FLOPs', async () => {
    const before = pipeline.meter.flops;
    await run('resampling', { iterations: 0 });
    const plain = pipeline.meter.flops - before;
    const start = pipeline.meter.flops;
    const { last } = await run('resampling', { particles: 1000, budget: `${6 * plain}flops` });
    expect(last.evaluations.forward).toBeLessThan(6 * PLAIN);
    const spent = pipeline.meter.flops - start;
    expect(spent).toBeLessThanOrEqual(6 * plain);
    expect(spent).toBeGreaterThan(4 * plain);
  });
});

it('a gradient that the budget does not hold an image after is not taken', async () => {
  // Each iteration is 4 calls forward and 4 back; the last image takes no gradient.
  const { last } = await run('doodl', { budget: `${3 * PLAIN}calls` });
  expect(last).toMatchObject({ iteration: 1, evaluations: { forward: 8, pullback: 4 } });
});
