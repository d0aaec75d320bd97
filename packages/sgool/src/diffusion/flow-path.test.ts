/** The path of a rectified flow: where diffusers puts its steps, bit for bit, and what the file may say. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createFlowPath, type FlowSchedulerConfig, type FlowSigmas } from './flow-path.ts';
import { FLOW_SCHEDULERS, type SchedulerClass } from './scheduler-classes.ts';
import { composedStep } from './testing.ts';

interface FixtureRun {
  readonly sigmas: FlowSigmas;
  readonly tokens: number;
  readonly steps: number;
  readonly config: FlowSchedulerConfig;
  readonly levels: readonly number[];
  readonly timesteps: readonly number[];
}
const { classes, steps: runs } = JSON.parse(
  readFileSync(new URL('../../../../fixtures/data/flow-path.json', import.meta.url), 'utf8'),
) as { classes: Record<string, Record<string, unknown>>; steps: FixtureRun[] };

const levelsOf = (config: FlowSchedulerConfig, steps: number, sigmas: FlowSigmas, tokens = 1024) =>
  createFlowPath(config, tokens, { sigmas }).stops(steps).levels;
const SD3 = { shift: 3 };
const DEV = { shift: 3, use_dynamic_shifting: true };

describe('the steps of published models', () => {
  it.each<[string, FlowSchedulerConfig, FlowSigmas, number, number, number[]]>([
    ['SD3', SD3, 'timesteps', 4, 1024, [1, 0.8576923, 0.6021506, 0.0089286, 0]],
    ['Flux schnell', {}, 'even', 4, 1024, [1, 0.75, 0.5, 0.25, 0]],
    ['Flux schnell', {}, 'even', 2, 1024, [1, 0.5, 0]],
    ['Flux schnell', {}, 'even', 1, 1024, [1, 0]],
    ['Flux dev at 512 pixels', DEV, 'even', 4, 1024, [1, 0.8492348, 0.6524894, 0.3849447, 0]],
  ])('%s (%j, %s), %i steps', (_, config, sigmas, steps, tokens, wanted) => {
    const levels = levelsOf(config, steps, sigmas, tokens);
    expect(levels).toHaveLength(wanted.length);
    for (const [i, level] of levels.entries()) expect(level).toBeCloseTo(wanted[i], 7);
  });

  it.each<[string, FlowSchedulerConfig, FlowSigmas, number, number[], number[]]>([
    ['SD3', SD3, 'timesteps', 1024, [1, 0.9873806, 0.9741077, 0.9601293], [0.1109057, 0.0089286, 0]],
    ['Flux dev', DEV, 'even', 4096, [1, 0.9884086, 0.9762225, 0.9633944], [0.1954546, 0.1047209, 0]],
  ])('%s, 28 steps', (_, config, sigmas, tokens, first, last) => {
    const levels = levelsOf(config, 28, sigmas, tokens);
    expect(levels).toHaveLength(29);
    for (const [i, wanted] of first.entries()) expect(levels[i]).toBeCloseTo(wanted, 7);
    for (const [i, wanted] of last.entries()) expect(levels[26 + i]).toBeCloseTo(wanted, 7);
  });
});

const nameOf = ({ config, sigmas, steps, tokens }: FixtureRun) =>
  `${sigmas} ${steps} ${tokens} ${JSON.stringify(config).slice(1, -1)}`;

describe('every key of the scheduler', () => {
  it.each(runs.map((run) => [nameOf(run), run] as const))('%s: as diffusers, bit for bit', (_, run) => {
    const path = createFlowPath(run.config, run.tokens, { sigmas: run.sigmas });
    const { levels, timesteps } = path.stops(run.steps);
    expect(levels).toEqual(run.levels.map(Math.fround));
    expect(timesteps).toEqual(run.timesteps.map(Math.fround));
  });

  it.each(Object.keys(classes))('%s: the table has the names and defaults of diffusers', (kind) => {
    const { keys }: SchedulerClass = FLOW_SCHEDULERS[kind as keyof typeof FLOW_SCHEDULERS];
    expect(Object.fromEntries(Object.entries(keys).map(([key, one]) => [key, one.default]))).toEqual(
      classes[kind],
    );
  });

  it("are spread by a setting as by the file's key", () => {
    for (const spread of ['karras', 'exponential', 'beta'] as const) {
      const asked = createFlowPath(SD3, 1024).stops(5, { sigmas: spread });
      expect(asked).toEqual(createFlowPath({ ...SD3, [`use_${spread}_sigmas`]: true }, 1024).stops(5));
      expect(asked).not.toEqual(createFlowPath(SD3, 1024).stops(5));
    }
  });
});

describe('the path', () => {
  const path = createFlowPath({ num_train_timesteps: 500 }, 1024);
  it('goes from pure noise to the clean latent', () => {
    expect([path.signal(1), path.noise(1), path.signal(0), path.noise(0)]).toEqual([0, 1, 1, 0]);
    expect([path.level(500), path.level(125), path.level(0)]).toEqual([1, 0.25, 0]);
    expect([path.levelOfRatio(0), path.levelOfRatio(1 / 3), path.levelOfRatio(Infinity)]).toEqual([
      0, 0.25, 1,
    ]);
    expect([0, 1 / 3, Infinity].map(path.timestepOfRatio)).toEqual([0, 125, 500]);
  });

  it('implies clean latent and noise that give the velocity', () => {
    const [clean, noise] = [path.cleanLatent(0.3), path.noisePart(0.3)];
    expect(noise.prediction - clean.prediction).toBeCloseTo(1, 15);
    expect(noise.latent - clean.latent).toBe(0);
    expect([clean.prediction, noise.prediction]).toEqual([-0.3, 0.7]);
  });

  it.each([
    [1, 0.6],
    [0.6, 0.2],
    [0.2, 0],
  ])("has Euler's step from %d to %d, and one with fresh noise that keeps the marginals", (from, to) => {
    expect(path.step(from, to)).toEqual({ latent: 1, prediction: to - from, freshNoise: 0 });
    for (const eta of [1e-9, 0.5, 1]) {
      const step = path.step(from, to, eta);
      const composed = composedStep(path, from, to, eta);
      for (const key of ['latent', 'prediction', 'freshNoise'] as const)
        expect(step[key]).toBeCloseTo(composed[key], 13);
      // With the true velocity of a point, ε - x0, the result has signal 1 - s' and noise of variance s'².
      const onClean = step.latent * (1 - from) - step.prediction;
      const onNoise = step.latent * from + step.prediction;
      expect(onClean).toBeCloseTo(1 - to, 14);
      expect(onNoise ** 2 + step.freshNoise ** 2).toBeCloseTo(to ** 2, 14);
    }
    if (to > 0) expect(path.step(from, to, 1).freshNoise).toBeGreaterThan(0);
  });
});

describe('the start of UniPC', () => {
  it('is just below pure noise, where there is a log-SNR', () => {
    const path = createFlowPath({}, 1024, { sigmas: 'even' });
    const least = Math.fround(1 - 1e-6);
    expect(path.stops(2, { rule: 'unipc' })).toEqual({
      timesteps: [Math.fround(1000 * least), 500],
      levels: [least, 0.5, 0],
      startScale: 1,
      endScale: 1,
    });
    expect(path.stops(2, { rule: 'dpm-solver' }).levels[0]).toBe(1);
  });
});

describe('what is refused', () => {
  it.each<[FlowSchedulerConfig, string]>([
    [
      { invert_sigmas: true },
      'scheduler: invert_sigmas true is not supported on a rectified flow; it must be false',
    ],
    [{ shift: 0 }, 'shift 0 is not supported on a rectified flow; it must be a number above 0'],
    [{ shift_terminal: 1 }, 'shift_terminal 1'],
    [{ shift_terminal: -0.1 }, 'shift_terminal -0.1'],
    [{ time_shift_type: 'cubic' }, 'time_shift_type "cubic"'],
    [{ num_train_timesteps: 0 }, 'num_train_timesteps 0'],
    [{ base_shift: '1' as unknown as number }, 'base_shift "1"'],
    [{ base_image_seq_len: 0 }, 'base_image_seq_len 0'],
    [
      { use_karras_sigmas: true, use_beta_sigmas: true },
      'use_karras_sigmas and use_beta_sigmas are both true',
    ],
    [{ ...DEV, max_shift: null }, 'max_shift null is not supported with use_dynamic_shifting true'],
    [{ ...DEV, base_image_seq_len: 4096 }, 'base_image_seq_len and max_image_seq_len are both 4096'],
    [
      { ...DEV, time_shift_type: 'linear', base_shift: -2, max_shift: -1 },
      'time_shift_type linear gives an image of 1024 tokens the shift -1.80',
    ],
  ])('%j', (config, message) => {
    expect(() => createFlowPath(config, 1024)).toThrow(message);
  });

  it('values of keys that are not in use, without a reason', () => {
    for (const config of [
      { max_shift: null },
      { base_image_seq_len: 4096 },
      { shift_terminal: null, use_beta_sigmas: null },
    ])
      expect(levelsOf(config as FlowSchedulerConfig, 4, 'even')).toEqual([1, 0.75, 0.5, 0.25, 0]);
    expect(levelsOf({ shift_terminal: 0 }, 1, 'even')).toEqual([1, 0]);
  });

  it.each([0, 1.5, 1001])('%d steps', (steps) => {
    expect(() => createFlowPath({}, 1024).stops(steps)).toThrow(
      `schedule: steps must be a whole number from 1 to 1000, got ${steps}`,
    );
  });

  it('an end that one step cannot have, and options of other schedules', () => {
    const ends = createFlowPath({ shift_terminal: 0.1 }, 1024);
    expect(() => ends.stops(1)).toThrow('shift_terminal 0.1 is not supported with 1 step');
    const path = createFlowPath({}, 1024);
    expect(() => path.stops(4, { spacing: 'trailing' })).toThrow(
      'spacing trailing is not supported on a rectified',
    );
    expect(() => path.stops(4, { finalNoise: 'smallest' })).toThrow('finalNoise smallest is not supported');
    expect(() => createFlowPath(DEV, 0)).toThrow('imageTokens must be a whole number above 0, got 0');
  });
});
