/** The limits of the keys of schedulers: what is taken, and what is not, at their edges. */
import { describe, expect, it } from 'vitest';
import { messageOf } from '../weights/testing.ts';
import type { SamplerName } from './sampler-names.ts';
import { createSchedule } from './schedule.ts';
import { FLOW_SCHEDULERS, type Keys, SCHEDULERS } from './scheduler-classes.ts';
import {
  checkSchedulerKeys,
  refuseForeignScheduler,
  schedulerClass,
  schedulerValue,
  unknownKeys,
  unreadKeys,
  unsupportedScheduler,
} from './scheduler-keys.ts';

const FLAG = { taken: [true, false, null], refused: [0, 1, 'true', []] };
const COUNT = { taken: [1, 1000], refused: [0, -1, 1.5, '1', null, Number.NaN, []] };
const SHARE = { taken: [1e-9, 0.5, 0.999], refused: [0, 1, -0.1, 1.5, '0.5', null] };
const ABOVE_0 = {
  taken: [1e-6, 3, 10_000, null],
  refused: [0, 9e-7, -1, 10_001, '1', Number.POSITIVE_INFINITY],
};

interface Limits {
  readonly taken: readonly unknown[];
  readonly refused: readonly unknown[];
}

const LIMITS: [SamplerName, string, Limits][] = [
  ['ddim', 'num_train_timesteps', COUNT],
  ['ddim', 'steps_offset', { taken: [0, 1], refused: [-1, 0.5, null, '1'] }],
  ['ddim', 'beta_start', SHARE],
  ['ddim', 'beta_end', SHARE],
  [
    'ddim',
    'trained_betas',
    {
      taken: [null, [], [0, 0.5, 1]],
      refused: [0.5, 'a', {}, [2], [-0.1], [0.5, 1.5], ['0.5'], [null], [0.5, -1]],
    },
  ],
  ['ddim', 'set_alpha_to_one', FLAG],
  ['ddim', 'thresholding', { taken: [false, null], refused: [true, 0, 1, 'false'] }],
  ['ddim', 'clip_sample', FLAG],
  ['ddim', 'clip_sample_range', { taken: [1, null, 'a'], refused: [] }],
  ['lcm', 'original_inference_steps', { taken: [1, 50], refused: [0, -1, 1.5, null, '50'] }],
  ['lcm', 'timestep_scaling', { taken: [0.5, 10], refused: [0, -1, null, '10', Number.NaN] }],
  ['dpm-solver', 'solver_order', { taken: [1, 2, 3], refused: [0, 4, '2', null] }],
  [
    'dpm-solver',
    'lambda_min_clipped',
    {
      taken: [-5.1, Number.NEGATIVE_INFINITY, '-Infinity', null],
      refused: ['5', true, [], Number.POSITIVE_INFINITY],
    },
  ],
  ['dpm-solver', 'variance_type', { taken: [null, 'fixed_small'], refused: ['learned', 'learned_range'] }],
  ['dpm-solver', 'use_flow_sigmas', { taken: [false, null], refused: [true] }],
  ['euler', 'sigma_min', ABOVE_0],
  ['euler', 'sigma_max', ABOVE_0],
  ['dpm-sde', 'noise_sampler_seed', { taken: [null], refused: [0, 1, false] }],
  ['unipc', 'disable_corrector', { taken: [[], [0], [1, 2]], refused: [null, 0, ['0'], [0, 0.5], {}] }],
];

describe.each(LIMITS)('%s: %s', (sampler, key, { taken, refused }) => {
  it.each(taken.map((value) => ({ value })))('may be $value', ({ value }) => {
    expect(() => checkSchedulerKeys(sampler, { [key]: value })).not.toThrow();
  });

  it.each(refused.map((value) => ({ value })))('must not be $value', async ({ value }) => {
    const message = await messageOf(() => checkSchedulerKeys(sampler, { [key]: value }));
    expect(message).toContain(
      `scheduler: ${key} ${JSON.stringify(value)} is not supported with the sampler ${sampler}`,
    );
  });
});

describe('createSchedule', () => {
  it.each([
    ['num_train_timesteps', COUNT],
    ['steps_offset', { taken: [0, 1], refused: [-1, 0.5] }],
    ['beta_start', SHARE],
    ['beta_end', SHARE],
  ] as [string, Limits][])('holds the limits of %s by itself', async (key, { taken, refused }) => {
    // Few timesteps: many of them with large betas leave no signal, which is refused for itself.
    for (const value of taken) {
      expect(() => createSchedule({ num_train_timesteps: 2, [key]: value })).not.toThrow();
    }
    for (const value of refused) {
      if (typeof value !== 'number') continue;
      expect(await messageOf(() => createSchedule({ [key]: value }))).toContain(
        `createSchedule: ${key} is not usable`,
      );
    }
  });

  it('takes one and two trained timesteps', () => {
    expect([...createSchedule({ num_train_timesteps: 1, beta_start: 0.1, beta_end: 0.4 }).betas]).toEqual([
      0.1,
    ]);
    expect([...createSchedule({ num_train_timesteps: 2, beta_start: 0.125, beta_end: 0.5 }).betas]).toEqual([
      0.125, 0.5,
    ]);
  });

  it('has no step from a level to itself', () => {
    for (const prediction_type of ['epsilon', 'v_prediction', 'sample'] as const) {
      const path = createSchedule({ prediction_type });
      const level = path.level(500);
      expect(path.step(level, level)).toEqual({ latent: 1, prediction: 0, freshNoise: 0 });
    }
  });
});

describe('classes', () => {
  it('that are not named, and those with a sampler, are not in the way', () => {
    for (const config of [
      {},
      { _class_name: null },
      ...Object.keys(SCHEDULERS).map((_class_name) => ({ _class_name })),
    ]) {
      expect(unsupportedScheduler(config)).toBeUndefined();
      expect(() => refuseForeignScheduler(config)).not.toThrow();
    }
  });

  it('without a sampler are named with the nearest, others are refused', () => {
    expect(unsupportedScheduler({ _class_name: 'DEISMultistepScheduler' })).toMatch(
      /dpm-solver comes nearest$/,
    );
    expect(() => refuseForeignScheduler({ _class_name: 'DEISMultistepScheduler' })).not.toThrow();
    for (const _class_name of ['FlowMatchEulerDiscreteScheduler', 'toString', 7]) {
      expect(unsupportedScheduler({ _class_name })).toBeUndefined();
      expect(() => refuseForeignScheduler({ _class_name })).toThrow(/is not a scheduler of Stable Diffusion/);
    }
  });

  it('have their own defaults, and no key that JavaScript brings', () => {
    expect(schedulerValue('pndm', {}, 'set_alpha_to_one')).toBe(false);
    expect(schedulerValue('ddim', { set_alpha_to_one: null }, 'set_alpha_to_one')).toBe(true);
    expect(schedulerValue('ddim', { trained_betas: null }, 'trained_betas')).toBeNull();
    expect(schedulerValue('unipc', { sigma_min: 2 }, 'sigma_min')).toBe(2);
    expect(schedulerValue('ddim', { sigma_min: 2 }, 'sigma_min')).toBeUndefined();
    expect(schedulerValue('ddim', {}, 'toString')).toBeUndefined();
  });

  it('lose by another sampler the keys that matter, and no others', () => {
    const file = {
      _class_name: 'EulerDiscreteScheduler',
      sigma_min: 0.1,
      sigma_max: null,
      interpolation_type: 'log_linear',
    };
    expect(unreadKeys('ddim', file)).toEqual(['interpolation_type', 'sigma_min']);
    expect(unreadKeys('euler', file)).toEqual([]);
    expect(
      unreadKeys('euler', {
        _class_name: 'DDIMScheduler',
        thresholding: null,
        clip_sample: false,
        clip_sample_range: 3,
      }),
    ).toEqual([]);
    expect(unreadKeys('ddim', { sigma_min: 0.1 })).toEqual([]);
  });
});

describe('the scheduler of a rectified flow', () => {
  const file = {
    _class_name: 'FlowMatchEulerDiscreteScheduler',
    shift: 3,
    stochastic_sampling: true,
    solver_order: 3,
    other: 1,
  };
  it('has its own classes, and no others', () => {
    expect(schedulerClass(file, 'rectified-flow')?.sampler).toBe('euler');
    expect(schedulerClass(file)).toBeUndefined();
    expect(() => refuseForeignScheduler(file, 'rectified-flow')).not.toThrow();
    expect(() => refuseForeignScheduler({}, 'rectified-flow')).not.toThrow();
    for (const _class_name of ['DDIMScheduler', 'DEISMultistepScheduler', 'toString'])
      expect(() => refuseForeignScheduler({ _class_name }, 'rectified-flow')).toThrow(
        `scheduler: "${_class_name}" is not a scheduler of rectified flows; put one of FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler, FlowMatchLCMScheduler into`,
      );
  });

  it('has keys that some samplers read, and names the others', () => {
    expect(unreadKeys('euler', file, 'rectified-flow')).toEqual([]);
    expect(unreadKeys('ddim', file, 'rectified-flow')).toEqual(['stochastic_sampling']);
    expect(unknownKeys(file, 'rectified-flow')).toEqual(['other']);
    expect(unknownKeys(file)).toEqual(['shift', 'stochastic_sampling', 'other']);
  });

  it('is checked with the keys that a sampler reads beside those of the path', () => {
    const check = (sampler: SamplerName, config: Record<string, unknown>) => () =>
      checkSchedulerKeys(sampler, config, 'rectified-flow');
    expect(check('dpm-solver', { use_dynamic_shifting: true, beta_start: 7 })).not.toThrow();
    expect(check('dpm-solver', { solver_order: 4 })).toThrow(
      'scheduler: solver_order 4 is not supported with the sampler dpm-solver on a rectified flow; it must be one of 1, 2, 3',
    );
    expect(check('ddim', { solver_order: 4 })).not.toThrow();
    expect(check('ddim', { invert_sigmas: true })).toThrow('invert_sigmas true');
    expect(check('euler', { stochastic_sampling: 1 })).toThrow('stochastic_sampling 1');
  });

  it.each(['pndm', 'dpm-sde', 'tcd'] as const)('has no sampler %s', (sampler) => {
    expect(() => checkSchedulerKeys(sampler, {}, 'rectified-flow')).toThrow(
      new RegExp(
        `^sampler: ${sampler} is not supported on a rectified flow, because .*; use ddim, edict, .* or lcm$`,
      ),
    );
    expect(() => checkSchedulerKeys(sampler, {})).not.toThrow();
  });

  it('alone has the sampler reversible-heun', () => {
    expect(() => checkSchedulerKeys('reversible-heun', {}, 'rectified-flow')).not.toThrow();
    expect(() => checkSchedulerKeys('reversible-heun', {})).toThrow(
      /^sampler: reversible-heun is not supported with a variance-preserving schedule, because .*; use ddim, edict, /,
    );
  });
});

describe('the range that the message of a key says', () => {
  const classes = { ...SCHEDULERS, ...FLOW_SCHEDULERS };
  const FORM =
    /^(a whole number|a number) (?:from (?<from>-?[\d.e-]+) to (?<to>[\d.e]+)|above (?<above>\d+)(?:, up to (?<most>[\d.e]+))?)(?:, or null)?$/;
  const ranged = Object.entries(classes).flatMap(([name, { keys }]) =>
    Object.entries(keys as Keys).flatMap(([key, one]) => {
      const { groups } = FORM.exec(one.right) ?? {};
      return groups === undefined
        ? []
        : [{ name, key, one, groups, isWhole: one.right.startsWith('a whole') }];
    }),
  );

  it('is the range that is taken, with its ends', () => {
    expect(ranged.length).toBeGreaterThan(30);
    for (const { name, key, one, groups, isWhole } of ranged) {
      const where = `${name}.${key}`;
      const step = isWhole ? 1 : 1e-7;
      const { from, to, above, most = to } = groups;
      if (from !== undefined) {
        expect(one.accepts(Number(from)), where).toBe(true);
        expect(one.accepts(Number(from) - step), where).toBe(false);
      } else {
        expect(one.accepts(Number(above)), where).toBe(false);
        expect(one.accepts(Number(above) + step), where).toBe(true);
      }
      if (most !== undefined) {
        expect(one.accepts(Number(most)), where).toBe(true);
        expect(one.accepts(Number(most) + (isWhole ? 1 : 1e-3)), where).toBe(false);
      }
      if (isWhole) expect(one.accepts(Number(from ?? above) + 1.5), where).toBe(false);
    }
  });
});

it('a message names the class whose key it is, and shows the beginning of a long value', async () => {
  const long = 'x'.repeat(200);
  expect(await messageOf(() => checkSchedulerKeys('ddim', { clip_sample: long }))).toMatch(
    /with the sampler ddim \(DDIMScheduler\)/,
  );
  const shown = await messageOf(() => createSchedule({ trained_betas: long } as never));
  expect(shown).toContain(`got "${'x'.repeat(79)};`);
});
