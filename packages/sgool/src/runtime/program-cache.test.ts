import { constant, conv2d, graphCost, matmul, trace } from '@sgool/autodiff';
import { afterAll, describe, expect, it } from 'vitest';
import { DryRunPrograms } from './dry-run.ts';
import { ProgramCache } from './program-cache.ts';

const programs = new ProgramCache({ threads: 1 });
afterAll(() => programs.dispose());

const build = () =>
  trace({ a: { shape: [4, 8] }, b: { shape: [8, 2] } }, ({ a, b }) => ({ product: matmul(a, b) }));
const inputs = { a: new Float32Array(32), b: new Float32Array(16) };
const cost = graphCost(build()).flops;

describe('the meter of programs', () => {
  it('count what they execute, each time, and not what only reports', async () => {
    expect(cost).toBe(2 * 4 * 8 * 2);
    const program = await programs.get('unet x', build);
    expect(programs.flops).toBe(0);
    await program.run(inputs);
    await (await programs.get('unet x', build)).run(inputs);
    expect(programs.flops).toBe(2 * cost);
    await (await programs.get('clip_b image', build)).run(inputs);
    expect(programs.flops).toBe(2 * cost);
  });

  it('know how long they were being made, and programs that are made at once count once', async () => {
    const before = programs.compileSeconds;
    const started = performance.now();
    await Promise.all(['c', 'd', 'e'].map((key) => programs.get(key, build)));
    const wall = (performance.now() - started) / 1000;
    const made = programs.compileSeconds - before;
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThanOrEqual(wall);
    await programs.get('c', build);
    const again = programs.compileSeconds;
    await (await programs.get('c', build)).run(inputs);
    expect(programs.compileSeconds - again).toBeLessThan(made / 2);
  });

  it('count from the first of several that are being made', async () => {
    const before = programs.compileSeconds;
    const busy = 40;
    const slow = () => {
      for (const started = performance.now(); performance.now() - started < busy; );
      void programs.get('during', build);
      return build();
    };
    await programs.get('slow', slow);
    expect(programs.compileSeconds - before).toBeGreaterThanOrEqual(busy / 1000);
  });

  it('give the results of a network by their inputs until they are forgotten', async () => {
    const results = programs.resultsOf('text');
    results.set('a cat', Promise.resolve(Float32Array.of(1)));
    expect(programs.resultsOf('text').size).toBe(1);
    expect(programs.resultsOf('other').size).toBe(0);
    programs.forgetResults();
    expect(results.size).toBe(0);
    expect(programs.resultsOf('text')).toBe(results);
  });
});

describe('memory is spent on faster convolutions', () => {
  const weight = {
    dtype: 'float32',
    shape: [256, 256, 3, 3],
    data: new Float32Array(256 * 256 * 9).fill(0.01),
  } as const;
  const convolution = () =>
    trace({ x: { shape: [1, 256, 32, 32] } }, ({ x }) => ({
      y: conv2d(x, constant(weight), undefined, { padding: 1 }),
    }));

  it.each([
    ['plenty', true],
    ['auto', false],
  ] as const)('with memory %s: %s', async (memory, isSpent) => {
    const dry = new DryRunPrograms({ memory });
    await dry.get('unet x', convolution);
    expect(dry.costOf('unet x')).toEqual(graphCost(convolution(), 'fast', isSpent));
    const real = new ProgramCache({ memory, threads: 1 });
    const program = await real.get('unet x', convolution);
    const { y } = await program.run({ x: Float32Array.from({ length: 256 * 1024 }, (_, i) => Math.sin(i)) });
    await real.dispose();
    const plain = new ProgramCache({ memory: 'auto', threads: 1 });
    const same = await (await plain.get('unet x', convolution)).run({
      x: Float32Array.from({ length: 256 * 1024 }, (_, i) => Math.sin(i)),
    });
    await plain.dispose();
    // The same to float32's precision; other roundings show which way was taken.
    const off = (y as Float32Array).reduce(
      (most, value, i) => Math.max(most, Math.abs(value - Number(same.y[i]))),
      0,
    );
    expect(off > 0).toBe(isSpent);
    expect(off).toBeLessThan(1e-3);
  });

  it('on the processor in float32 alone', async () => {
    for (const other of [{ device: 'webgpu' }, { precision: 'float16' }] as const) {
      const dry = new DryRunPrograms({ memory: 'plenty', ...other });
      await dry.get('unet x', convolution);
      expect(dry.costOf('unet x')).toEqual(graphCost(convolution(), 'fast'));
    }
  });
});
