import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METHOD_NAMES, METHODS, methods } from '../../methods/index.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { runCli } from '../cli.ts';
import { engine } from '../engine.ts';
import { fakeHost, runOnFakes } from '../testing.ts';

it('says of every method what it does, what it costs and when to take it', async () => {
  const { code, stdout } = await runOnFakes('/', ['methods']);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(3 * METHODS.length);
  METHODS.forEach(({ name, summary, cost, useFor }, i) => {
    const own = lines.slice(3 * i, 3 * i + 3).map((line) => line.trim().replace(/ {2,}/, '  '));
    expect(own).toEqual([`${name}  ${summary}`, `costs ${cost}`, `for ${useFor}`]);
  });
  const listed = JSON.parse((await runOnFakes('/', ['methods', '--json'])).stdout);
  expect(listed.methods).toEqual(
    METHODS.map(({ name, summary, cost, useFor, settings }) => ({
      name,
      summary,
      cost,
      useFor,
      settings: Object.keys(settings),
    })),
  );
});

describe('--costs', () => {
  let model: Awaited<ReturnType<typeof writeTinyModel>>;
  beforeAll(async () => {
    const few = { steps: 3, guidanceScale: 2 };
    const all = METHOD_NAMES.filter((name) => 'iterations' in methods[name].settings);
    const iterations = Object.fromEntries(all.map((name) => [name, { iterations: 4 }]));
    const ddim = { sampler: 'ddim', iterations: 2 };
    model = await writeTinyModel({
      without: ['clip_b', 'clip_c', 'transalnet'],
      hint: {
        defaults: {
          '*': few,
          ...iterations,
          resampling: ddim,
          plan: { plan: 'best-of:3, sgool:4' },
          'attend-and-excite': { refineThresholds: 'none' },
        },
      },
    });
  });
  afterAll(() => model.remove());

  it('are the evaluations that the runs make', { timeout: 60_000 }, async () => {
    const host = fakeHost(model.dir, { engine });
    await runCli(['methods', '--costs', '--model', model.dir, '--json'], host);
    expect(host.written.stderr).toBe('');
    const { methods: listed } = JSON.parse(host.written.stdout) as {
      methods: { name: string; evaluations: { forward: number; pullback: number } }[];
    };
    const pipeline = await loadPipeline(model.dir, { threads: 1 });
    for (const name of METHOD_NAMES) {
      let made = { forward: 0, pullback: 0 };
      const request = { prompt: 'a cat and a boat', seed: 0 };
      for await (const { evaluations } of methods[name].run(pipeline, request)) made = { ...evaluations };
      const counted = listed.find((one) => one.name === name)?.evaluations;
      // How many regions an image has is not known: the most is counted.
      if (name === 'detail') expect(counted?.forward, name).toBeGreaterThanOrEqual(made.forward);
      else expect(counted, name).toEqual(made);
    }
    await pipeline.dispose();
    const { forward } = listed[0].evaluations;
    expect(forward).toBe(6);
    const shown = fakeHost(model.dir, { engine });
    await runCli(['methods', '--costs', '--model', model.dir], shown);
    expect(shown.written.stdout).toMatch(/^ +costs steps: 6$/m);
    expect(shown.written.stdout).toMatch(
      /^ +costs iterations x steps, forward and back; a .*: \d+ \+ 48 back$/m,
    );
  });

  it('leave out what a model cannot run, in one line each', async () => {
    const bare = await writeTinyModel({ without: ['clip', 'clip_b', 'clip_c', 'transalnet'] });
    const host = fakeHost(bare.dir, { engine });
    const code = await runCli(['methods', '--costs', '--model', bare.dir], host);
    await bare.remove();
    expect(code).toBe(0);
    expect(host.written.stdout).toMatch(/^doodl .*\n.* costs .*: not with this model$/m);
    expect(
      host.written.stderr.split('\n').filter((line) => line.includes('it has no CLIP')).length,
    ).toBeGreaterThan(3);
  });
});
