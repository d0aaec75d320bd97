/** What is true of every sampler, whatever its formula. */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { createFlowPath } from '../flow-path.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { invertChain } from '../inversion.ts';
import { linearStage } from '../linear-stage.ts';
import type { NoisePath } from '../noise-path.ts';
import { invertStage } from '../sampler.ts';
import { type SamplerName, samplersOn } from '../sampler-names.ts';
import { createSchedule, type SchedulerConfig } from '../schedule.ts';
import { randomNormal, randomWeights, tanhDenoiser } from '../testing.ts';
import { runTrajectory, sample } from '../trajectory.ts';
import { freshNoiseCount, namedSampler, type SamplerSettings } from './named-sampler.ts';

const SIZE = 6;
const denoiser = tanhDenoiser(randomWeights(SIZE));
const noise = randomNormal(SIZE);

const pathOf = (changes: SchedulerConfig = {}) =>
  createSchedule({ beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear', ...changes });

const settingsOf = (
  sampler: SamplerName,
  steps: number,
  more: Partial<SamplerSettings> = {},
): SamplerSettings => ({
  sampler,
  steps,
  eta: 0,
  sigmas: 'model',
  stepEnds: 'reference',
  mixingWeight: 0.93,
  edictOutput: 'both',
  ...more,
});

const COUNTS = [1, 2, 3, 4, 5, 7, 16];
const PLMS = ['plms', pathOf()] as const;
const PATHS: [string, NoisePath][] = [
  [...PLMS],
  ['runge-kutta', pathOf({ _class_name: 'PNDMScheduler' })],
  ['flow', createFlowPath({}, 1024)],
];

describe.each(PATHS)('samplers of a schedule (%s)', (kind, path) => {
  const counts = (name: SamplerName) =>
    COUNTS.filter((steps) => kind === 'plms' || name !== 'pndm' || steps >= 4);

  it.each(samplersOn(path.kind))(
    '%s counts its steps from 0 and knows the state that it ends with',
    async (name) => {
      for (const steps of counts(name)) {
        const sampler = namedSampler(path, settingsOf(name, steps), {
          freshNoise: (step, length) => randomNormal(length, step),
        });
        const numbers = sampler.stages.map(({ step }) => step);
        expect([...new Set(numbers)]).toEqual(Array.from({ length: sampler.steps }, (_, i) => i));
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        expect(numbers.length === 0 || sampler.stages[0].timestep === sampler.timesteps[0]).toBe(true);
        expect(sampler.invertible).toBe(sampler.stages.every(({ invert }) => invert !== undefined));

        let state = sampler.initial(noise);
        for (const stage of sampler.stages) state = await stage.run(state, denoiser);
        const results = sampler.finalLatents(state);
        expect(sampler.finalPullback(results)).toHaveLength(state.length);
      }
    },
  );

  it.each(samplersOn(path.kind))('%s starts from one latent, or a pair', (name) => {
    const sampler = namedSampler(path, settingsOf(name, 4), {
      freshNoise: (_, length) => new Float64Array(length),
    });
    expect(() => sampler.initial([noise, noise, noise])).toThrow(/starts from one latent( or two)?, got 3/);
    expect(() => sampler.initial([])).toThrow(/got 0/);
  });
});

describe('fresh noise', () => {
  const path = pathOf();
  it.each<[SamplerName, number]>([
    ['euler-ancestral', 5],
    ['lcm', 5],
    ['dpm-2m-sde', 5],
    ['dpm-sde', 10],
    ['ddim', 0],
    ['edict', 0],
    ['unipc', 0],
    ['dpm-solver', 0],
  ])('%s draws it %i times in five steps', (name, times) => {
    expect(freshNoiseCount(path, settingsOf(name, 5))).toBe(times);
  });

  it('is drawn by ddim and tcd with eta, and by a stochastic algorithm of dpm-solver', () => {
    for (const name of ['ddim', 'tcd'] as const)
      expect(freshNoiseCount(path, settingsOf(name, 5, { eta: 0.1 }))).toBe(5);
    expect(
      freshNoiseCount(
        pathOf({ algorithm_type: 'sde-dpmsolver++' } as SchedulerConfig),
        settingsOf('dpm-solver', 5),
      ),
    ).toBe(5);
  });

  it.each<[SamplerName, Partial<SamplerSettings>]>([
    ['dpm-sde', {}],
    ['lcm', {}],
    ['tcd', { eta: 0.3 }],
    ['tcd', { eta: 1 }],
  ])('%s needs it for two steps, and not for one (%j)', (name, more) => {
    expect(() => namedSampler(path, settingsOf(name, 2, more))).toThrow(
      /needs freshNoise, a source of noise/,
    );
    expect(() => namedSampler(path, settingsOf(name, 1, more))).not.toThrow();
  });

  it('is nothing that tcd needs without eta, or uses in its last step', async () => {
    const sampler = namedSampler(path, settingsOf('tcd', 3));
    const [latent] = await sample(sampler, denoiser, noise);
    const drawn: number[] = [];
    const noisy = namedSampler(path, settingsOf('tcd', 3, { eta: 0.5 }), {
      freshNoise(step, length) {
        drawn.push(step);
        return new Float64Array(length);
      },
    });
    let state = noisy.initial(noise);
    for (const stage of noisy.stages) state = await stage.run(state, denoiser);
    expect(drawn).toEqual([0, 1]);
    expect(state[0]).not.toEqual(latent);
  });
});

describe('a chain', () => {
  const path = pathOf();
  const given = { freshNoise: (step: number, length: number) => randomNormal(length, step) };
  const make = (name: SamplerName, steps = 4) => namedSampler(path, settingsOf(name, steps), given);

  it.each(['ddim', 'edict', 'dpm-sde', 'pndm', 'heun'] as const)(
    'of %s reports each step once, both ways',
    async (name) => {
      const sampler = make(name);
      const all = Array.from({ length: sampler.steps }, (_, i) => i);
      const forth: number[] = [];
      const back: number[] = [];
      const trajectory = await runTrajectory('checkpointed', sampler, denoiser, noise, {
        onStep: ({ step, steps }) => void forth.push(step + 100 * steps),
      });
      await trajectory.pullback(trajectory.final, { onStep: ({ step }) => void back.push(step) });
      expect(forth).toEqual(all.map((step) => step + 100 * sampler.steps));
      expect(back).toEqual([...all].reverse());
    },
  );

  it('reports each step of an inversion once, and can be stopped', async () => {
    const sampler = make('edict');
    const end = await sample(sampler, denoiser, noise);
    const seen: number[] = [];
    const states = await invertChain(sampler, denoiser, end, { onStep: ({ step }) => void seen.push(step) });
    expect(seen).toEqual([3, 2, 1, 0]);
    expect(states[0][0]).toHaveLength(SIZE);
    const late: number[] = [];
    await invertChain(sampler, denoiser, end, { startIndex: 2, onStep: ({ step }) => void late.push(step) });
    expect(late).toEqual([3, 2]);
    const stop = new AbortController();
    const stopped = invertChain(sampler, denoiser, end, {
      signal: stop.signal,
      onStep: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  it.each(['checkpointed', 'invertible'] as const)(
    'of a backward pass can be stopped after a step (%s)',
    async (kind) => {
      const sampler = make('edict');
      const trajectory = await runTrajectory(kind, sampler, denoiser, noise);
      const stop = new AbortController();
      const seen: number[] = [];
      const pullback = trajectory.pullback(trajectory.final, {
        signal: stop.signal,
        onStep({ step }) {
          seen.push(step);
          stop.abort(new Error('enough'));
        },
      });
      await expect(pullback).rejects.toThrow('enough');
      expect(seen).toEqual([3]);
    },
  );

  it.each([-1, 4, 0.5])('does not begin at step %d of 4', async (startIndex) => {
    await expect(sample(make('ddim'), denoiser, noise, { startIndex })).rejects.toThrow(
      `ddim: startIndex must be a whole number from 0 to 3, got ${startIndex}`,
    );
    await expect(sample(make('ddim'), denoiser, noise, { startIndex: 3 })).resolves.toHaveLength(1);
  });
});

describe('scaledNoise', () => {
  const source = (step: number, length: number) => Float64Array.from({ length }, () => step + 1);
  it('is the noise of the step times its deviation', () => {
    expect(scaledNoise(source, 2, 0.5)?.(2)).toEqual(Float64Array.of(1.5, 1.5));
  });

  it.each([
    [source, 0],
    [source, Number.NaN],
    [undefined, 1],
  ])('is nothing without a source or a deviation', (given, deviation) => {
    expect(scaledNoise(given, 0, deviation)).toBeUndefined();
  });
});

describe('what samplers refuse', () => {
  const path = pathOf();
  it.each([-0.1, 1.1, Number.NaN])('tcd: eta %d', (eta) => {
    const noisy = { freshNoise: (_: number, length: number) => new Float64Array(length) };
    expect(() => namedSampler(path, settingsOf('tcd', 2, { eta }), noisy)).toThrow(
      `tcd: eta must be between 0 and 1, got ${eta}`,
    );
  });

  it('pndm: fewer than four steps with Runge-Kutta steps', () => {
    const own = pathOf({ _class_name: 'PNDMScheduler' });
    expect(() => namedSampler(own, settingsOf('pndm', 3))).toThrow(/^pndm: needs 4 steps or more .* got 3$/);
    expect(() => namedSampler(own, settingsOf('pndm', 4))).not.toThrow();
  });

  it.each(samplersOn('variance-preserving').filter((name) => name !== 'lcm' && name !== 'tcd'))(
    '%s: steps that are none',
    (name) => {
      const given = { freshNoise: (_: number, length: number) => new Float64Array(length) };
      for (const steps of [0, 1.5, 1001])
        expect(() => namedSampler(path, settingsOf(name, steps), given)).toThrow(UserError);
    },
  );

  it.each(['lcm', 'tcd'] as const)('%s: steps beyond those that the model was distilled on', (name) => {
    const given = { freshNoise: (_: number, length: number) => new Float64Array(length) };
    const make = (steps: number, original: unknown = 50) =>
      namedSampler(
        pathOf({ original_inference_steps: original } as SchedulerConfig),
        settingsOf(name, steps),
        given,
      );
    for (const steps of [0, -1, 1.5, 51])
      expect(() => make(steps)).toThrow(`whole number from 1 to 50, got ${steps}`);
    expect(make(50).timesteps[0]).toBe(999);
    expect(make(1).timesteps).toEqual([999]);
    for (const original of [0, -1, 1001, '50', 1.5])
      expect(() => make(1, original)).toThrow(/original_inference_steps/);
    expect(make(2, 1000).timesteps).toEqual([999, 499]);
    // 1000 / 30 is no whole number: the stride is rounded down.
    expect(make(1, 30).timesteps).toEqual([30 * 33 - 1]);
  });

  it('an inversion of what has none, by its name', async () => {
    const sampler = namedSampler(path, settingsOf('pndm', 5));
    await expect(invertChain(sampler, denoiser, [noise])).rejects.toThrow(
      /^invertChain: pndm with 6 steps has no e/,
    );
    expect(() => invertStage(sampler.stages[0], [noise], denoiser)).toThrow(
      'invertStage: step 0 has no exact inverse',
    );
  });

  it('a stage that names a latent which is not there', () => {
    const next = { latent: { latent: 1, other: 1 } };
    expect(() => linearStage({ step: 3, timestep: 7, state: ['latent'], next })).toThrow(
      'linearStage: no latent other at step 3; there are latent, prediction',
    );
  });
});
