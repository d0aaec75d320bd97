import { compile, exp, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LoadOptions, loadPipeline } from '../pipeline/load-pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { DryRunPrograms } from '../runtime/dry-run.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { defined } from '../testing.ts';
import { countEvaluations, estimateRun } from './estimate.ts';
import { METHOD_NAMES, methods } from './index.ts';
import { requestTo } from './testing.ts';

vi.mock(import('@sgool/autodiff'), async (original) => {
  const engine = await original();
  return { ...engine, compile: vi.fn(engine.compile) };
});

const request = { prompt: 'a red cat and a blue boat', seed: 5, steps: 4, iterations: 4, cutouts: 2 };
const machine = { flops: 1e11 };

let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => model.remove());

const open = (programs: LoadOptions['programs']) => loadPipeline(model.dir, { programs });
const estimate = (settings = {}, options: LoadOptions = {}) =>
  estimateRun({
    open: (programs) => loadPipeline(model.dir, { ...options, programs }),
    method: methods.sgool,
    request: { ...request, ...settings },
    iterations: { ...request, ...settings }.iterations,
    machine,
  });

describe.each(METHOD_NAMES)('a dry run of %s', (name) => {
  it('computes nothing and runs the UNet as often as the method does', async () => {
    vi.mocked(compile).mockClear();
    let programs: DryRunPrograms | undefined;
    const pipeline = await open((options) => (programs = new DryRunPrograms(options)));
    let evaluations = { forward: 0, pullback: 0 };
    for await (const step of methods[name].run(pipeline, requestTo(name, request)))
      evaluations = step.evaluations;
    expect(compile).not.toHaveBeenCalled();
    const runs = (pattern: RegExp) =>
      [...defined(programs).counts.run]
        .filter(([key]) => pattern.test(key))
        .reduce((sum, [key, count]) => sum + count * Number(/(\d)x1x4/.exec(key)?.[1]), 0);
    // The attention is differentiated in the program that computes it.
    const attention = runs(/^unet attention/);
    expect({
      forward: runs(/^unet \d/) + attention,
      pullback: runs(/^unet pullback/) + attention,
    }).toEqual(evaluations);
  });
});

describe('estimateRun', () => {
  it('takes iterations behind the second to cost what the second costs', async () => {
    const at = async (iterations: number) => (await estimate({ iterations })).operations;
    const [two, three, nine] = [await at(2), await at(3), await at(9)];
    expect(nine - two).toBeCloseTo(7 * (three - two), -2);
    expect(three).toBeGreaterThan(two);
  });

  it('gets longer on a slower machine and with more steps', async () => {
    const quick = await estimate();
    expect(quick.seconds).toBeGreaterThan(0);
    expect((await estimate({ steps: 8 })).operations).toBeGreaterThan(1.5 * quick.operations);
    const slow = await estimateRun({
      open,
      method: methods.sd,
      request: requestTo('sd', request),
      iterations: 0,
      machine: { flops: 1e6 },
    });
    expect(slow.seconds / slow.contention).toBeGreaterThan(slow.operations / 2e6);
  });

  it('needs more memory for a larger image, and less with memory low', async () => {
    const size = { width: 256, height: 256 };
    const [small, large] = [await estimate(), await estimate(size)];
    expect(large.memoryBytes).toBeGreaterThan(small.memoryBytes);
    const low = await estimate(size, { memory: 'low' });
    expect(low.memoryBytes).toBeLessThan(large.memoryBytes);
    expect(low.operations).toBeGreaterThan(large.operations);
  });
});

describe('what depends on what a run finds', () => {
  const name = 'attend-and-excite';
  const options = (settings: object) => ({
    ...{ open, method: methods[name], iterations: 1, machine },
    request: { ...requestTo(name, request), ...settings },
  });

  it('is counted as the most: a threshold takes all refinements, however low it is', async () => {
    const without = await countEvaluations(options({ refineThresholds: 'none' }));
    const refined = await countEvaluations(options({ refineThresholds: '1:0.001', refineSteps: 7 }));
    expect(refined).toEqual({ forward: without.forward + 7, pullback: without.pullback + 7 });
  });

  it('is said to be the most', async () => {
    const atMost = async (settings: object) => (await estimateRun(options(settings))).atMost;
    expect(await atMost({ refineThresholds: '1:0.001' })).toBe(true);
    expect(await atMost({ refineThresholds: 'none' })).toBeUndefined();
    // How many regions an image has is seen when it is there.
    const detail = {
      open,
      method: methods.detail,
      iterations: 1,
      machine,
      request: requestTo('detail', request),
    };
    expect((await estimateRun(detail)).atMost).toBe(true);
  });
});

it('where a card has room for all programs, none is compiled again after the first iteration', async () => {
  const compiledAgain = async (freeMemory: number) => {
    let programs: DryRunPrograms | undefined;
    const pipeline = await open((options) => {
      programs = new DryRunPrograms({ ...options, device: 'cuda', freeMemory });
      return programs;
    });
    const wanted = { ...request, steps: 2, iterations: 3, width: 256, height: 256 };
    for await (const _ of methods.sgool.run(pipeline, requestTo('sgool', wanted)));
    return [...defined(programs).counts.compiled].filter(([, count]) => count > 1).map(([key]) => key);
  };
  expect(await compiledAgain(80e9)).toEqual([]);
  expect(await compiledAgain(1e6)).not.toEqual([]);
});

describe('memory low', () => {
  it('gives the same gradients', async () => {
    const short = {
      ...request,
      steps: 2,
      iterations: 1,
      sampler: 'ddim',
      saliency: 'centre',
      cutouts: 0,
    } as const;
    const losses = async (memory: LoadOptions['memory']) => {
      const pipeline = await loadPipeline(model.dir, { memory });
      const found: number[] = [];
      for await (const { loss } of methods.sgool.run(pipeline, short)) found.push(defined(loss).total);
      await pipeline.dispose();
      return found;
    };
    const [plenty, low] = [await losses('plenty'), await losses('low')];
    low.forEach((loss, i) => {
      expect(loss).toBeCloseTo(plenty[i], 4);
    });
  });

  it('frees a large program for the next and makes it again', async () => {
    const length = 2 ** 23;
    const graph = () => trace({ x: { shape: [length] } }, ({ x }) => ({ y: exp(x) }));
    const programs = new ProgramCache({ memory: 'low' });
    vi.mocked(compile).mockClear();
    const [a, b] = [await programs.get('a', graph), await programs.get('b', graph)];
    for (const program of [a, b, a]) {
      const { y } = await program.run({ x: new Float32Array(length) });
      expect(y[length - 1]).toBe(1);
    }
    // Compiled on request, and again whenever the other one has taken its place.
    expect(compile).toHaveBeenCalledTimes(5);
    await programs.dispose();
  });
});

it('a large model frees its text encoder, which is compiled again for another text', async () => {
  const graph = () => trace({ x: { shape: [2] } }, ({ x }) => ({ y: exp(x) }));
  const programs = new ProgramCache({ layout: 'lean' });
  vi.mocked(compile).mockClear();
  const [text, other] = [await programs.get('text encoder 8', graph), await programs.get('unet', graph)];
  await programs.release('text encoder');
  for (const program of [text, other]) {
    expect((await program.run({ x: new Float32Array(2) })).y).toEqual(Float32Array.of(1, 1));
  }
  expect(compile).toHaveBeenCalledTimes(3);
  await programs.dispose();
});
