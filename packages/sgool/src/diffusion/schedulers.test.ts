import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { fixedNoise } from './fresh-noise.ts';
import { samplersOn } from './sampler-names.ts';
import { edict } from './samplers/edict.ts';
import { freshNoiseCount, namedSampler, type SamplerSettings } from './samplers/named-sampler.ts';
import { createSchedule, type SchedulerConfig } from './schedule.ts';
import { SCHEDULERS, type SchedulerClass } from './scheduler-classes.ts';
import {
  checkSchedulerKeys,
  refuseForeignScheduler,
  schedulerClass,
  unknownKeys,
  unreadKeys,
  unsupportedScheduler,
} from './scheduler-keys.ts';
import { maxDifference, randomNormal, readFixture, tanhDenoiser } from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url);
const { classes, runs } = JSON.parse(readFileSync(new URL('schedulers.json', data), 'utf8')) as {
  classes: Record<string, Record<string, unknown>>;
  runs: { class: string; steps: number; eta?: number; config: SchedulerConfig; timesteps: number[] }[];
};
const fixture = readFixture();
const reference = readFixture('schedulers.safetensors');
const noise = fixture('noise');
const size = noise.length;
const latents = reference('latents');
const fresh = reference('fresh');
const network = tanhDenoiser({ first: fixture('first'), second: fixture('second'), shift: fixture('shift') });

const STABLE: SchedulerConfig = {
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  set_alpha_to_one: false,
};
const settings: Omit<SamplerSettings, 'sampler' | 'steps'> = {
  eta: 0,
  sigmas: 'model',
  stepEnds: 'reference',
  mixingWeight: 0.93,
  edictOutput: 'x',
};

/** A sampler with the fresh noise of the fixtures, and a network that predicts what the schedule says. */
function setUp(config: SchedulerConfig, chosen: Partial<SamplerSettings> & Pick<SamplerSettings, 'steps'>) {
  const path = createSchedule(config);
  const given: SamplerSettings = {
    ...settings,
    sampler: schedulerClass(config)?.sampler ?? 'ddim',
    ...chosen,
  };
  const draws = freshNoiseCount(path, given);
  let drawn = 0;
  const freshNoise =
    draws === 0 ? undefined : fixedNoise(draws, size, () => fresh.subarray(drawn, (drawn += size)));
  return {
    sampler: namedSampler(path, given, { freshNoise }),
    denoiser: { ...network, predicts: path.predicts },
  };
}

const name = ({ class: kind, steps, eta, config }: (typeof runs)[number]) => {
  const keys = Object.entries(config).filter(
    ([key, value]) => !key.startsWith('_') && JSON.stringify(classes[kind][key]) !== JSON.stringify(value),
  );
  return `${kind} ${steps} ${eta ?? ''} ${keys.map(([key, value]) => `${key}=${JSON.stringify(value).slice(0, 20)}`).join(' ')}`;
};

describe('every key of a scheduler', () => {
  it.each(runs.map((run, i) => [name(run), run, i] as const))('%s: as diffusers', async (_, run, i) => {
    const { sampler, denoiser } = setUp(run.config, { steps: run.steps, eta: run.eta ?? 0 });
    const [latent] = await sample(sampler, denoiser, noise);
    const wanted = latents.subarray(i * size, (i + 1) * size);
    const largest = Math.max(...wanted.map(Math.abs));
    const error = Math.max(...latent.map((value, k) => Math.abs(value - wanted[k]))) / largest;
    expect(error).toBeLessThan(1e-5);
  });

  it.each(Object.keys(classes))('%s: the table has the names and defaults of diffusers', (kind) => {
    const { keys }: SchedulerClass = SCHEDULERS[kind as keyof typeof SCHEDULERS];
    const table = Object.fromEntries(Object.entries(keys).map(([key, { default: value }]) => [key, value]));
    const plain = (value: unknown) => (value === Number.NEGATIVE_INFINITY ? '-Infinity' : value);
    expect(Object.fromEntries(Object.entries(table).map(([key, value]) => [key, plain(value)]))).toEqual(
      classes[kind],
    );
  });
});

describe('the gradient', () => {
  const cases = runs.filter(({ class: kind, steps, config }, i) => {
    const isFirst = runs.findIndex((other) => other.class === kind && other.steps === steps) === i;
    const isSpecial = ['algorithm_type', 'skip_prk_steps', 'predict_x0', 'prediction_type'].some(
      (key) => config[key] !== undefined,
    );
    return isFirst || (isSpecial && steps <= 9);
  });
  it.each(cases.map((run) => [name(run), run] as const))('of %s is that of its chain', async (_, run) => {
    const { sampler, denoiser } = setUp(run.config, { steps: run.steps, eta: run.eta ?? 0 });
    const [direction, weights] = [randomNormal(size, 3), randomNormal(size, 4)];
    const at = async (distance: number) => {
      const moved = noise.map((value, i) => value + distance * direction[i]);
      return dot((await sample(sampler, denoiser, moved))[0], weights);
    };
    const slope = ((await at(1e-5)) - (await at(-1e-5))) / 2e-5;
    const trajectory = await runTrajectory('checkpointed', sampler, denoiser, noise);
    expect(dot(await trajectory.pullback([weights]), direction) / slope).toBeCloseTo(1, 5);
  });
});

describe('a value that is not honoured', () => {
  it.each([
    ['ddim', { thresholding: true }, 'thresholding true is not supported with the sampler ddim'],
    ['ddim', { timestep_spacing: 'late' }, 'timestep_spacing is not usable, got late'],
    ['ddim', { set_alpha_to_one: 1 }, 'set_alpha_to_one 1 is not supported'],
    [
      'pndm',
      { prediction_type: 'sample' },
      'prediction_type "sample" is not supported with the sampler pndm',
    ],
    ['pndm', { rescale_betas_zero_snr: true }, 'PNDMScheduler has no such key; use ddim'],
    ['dpm-solver', { solver_order: 4 }, 'solver_order 4 is not supported'],
    ['dpm-solver', { algorithm_type: 'x' }, 'algorithm_type "x" is not supported'],
    ['dpm-solver', { solver_type: 'rk4' }, 'solver_type "rk4" is not supported'],
    ['dpm-solver', { use_flow_sigmas: true }, 'use_flow_sigmas true is not supported'],
    ['dpm-solver', { use_dynamic_shifting: true }, 'use_dynamic_shifting true is not supported'],
    ['dpm-solver', { variance_type: 'learned_range' }, 'variance_type "learned_range" is not supported'],
    ['dpm-solver', { final_sigmas_type: 'one' }, 'final_sigmas_type "one" is not supported'],
    ['dpm-solver', { algorithm_type: 'dpmsolver' }, 'it must be sigma_min'],
    [
      'dpm-solver',
      { algorithm_type: 'sde-dpmsolver', solver_order: 3, final_sigmas_type: 'sigma_min' },
      'it must be 1 or 2',
    ],
    ['euler', { interpolation_type: 'cubic' }, 'interpolation_type "cubic" is not supported'],
    ['euler', { sigma_min: -1 }, 'sigma_min -1 is not supported'],
    ['euler', { use_karras_sigmas: true, use_beta_sigmas: true }, 'use_karras_sigmas and use_beta_sigmas'],
    [
      'euler',
      { timestep_type: 'continuous', prediction_type: 'v_prediction' },
      'timestep_type "continuous" is not supported with prediction_type v_prediction',
    ],
    ['euler-ancestral', { prediction_type: 'sample' }, 'prediction_type "sample" is not supported'],
    ['unipc', { solver_p: {} }, 'solver_p {} is not supported'],
    ['unipc', { shift_terminal: 0.1 }, 'shift_terminal 0.1 is not supported'],
    ['unipc', { disable_corrector: 'all' }, 'disable_corrector "all" is not supported'],
    ['unipc', { lower_order_final: false }, 'set lower_order_final to true'],
    ['dpm-sde', { noise_sampler_seed: 3 }, 'noise_sampler_seed 3 is not supported'],
    ['ddim', { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' }, 'timestep 999 has no signal'],
  ] as const)('%s: %j', (sampler, config, message) => {
    expect(() => setUp(config as SchedulerConfig, { sampler, steps: 6 })).toThrow(message);
  });

  it('is refused with all values of the wrong kind', () => {
    for (const { sampler, keys } of Object.values(SCHEDULERS) as SchedulerClass[]) {
      for (const [key, { inert, accepts }] of Object.entries(keys)) {
        const wrong = { not: 'usable' };
        if (inert || accepts(wrong)) continue;
        expect(() => checkSchedulerKeys(sampler, { [key]: wrong })).toThrow(
          `scheduler: ${key} {"not":"usable"} is not supported with the sampler ${sampler}`,
        );
      }
    }
  });
});

describe('scheduler classes', () => {
  it('of the same schedule without a sampler are named with what comes nearest', () => {
    for (const [kind, nearest] of [
      ['DEISMultistepScheduler', 'dpm-solver comes nearest'],
      ['KDPM2DiscreteScheduler', 'heun comes nearest'],
      ['DDPMScheduler', 'ddim with eta 1 comes nearest'],
    ]) {
      expect(unsupportedScheduler({ _class_name: kind })).toContain(
        `${kind}, has no sampler here; ${nearest}`,
      );
    }
    for (const kind of [...Object.keys(SCHEDULERS), undefined]) {
      expect(unsupportedScheduler({ _class_name: kind })).toBeUndefined();
      expect(() => refuseForeignScheduler({ _class_name: kind })).not.toThrow();
    }
  });

  it('of another schedule are refused', () => {
    for (const kind of ['FlowMatchEulerDiscreteScheduler', 'toString', 7]) {
      expect(() => refuseForeignScheduler({ _class_name: kind })).toThrow(
        `${JSON.stringify(kind)} is not a scheduler of Stable Diffusion`,
      );
    }
  });

  it('have keys that other samplers do not read, and say so', () => {
    const config = { _class_name: 'DPMSolverMultistepScheduler', use_karras_sigmas: true, solver_order: 3 };
    expect(unreadKeys('edict', config)).toEqual(['use_karras_sigmas', 'solver_order']);
    expect(unreadKeys('euler', config)).toEqual(['solver_order']);
    expect(unreadKeys('dpm-solver', config)).toEqual([]);
    expect(unreadKeys('edict', { ...config, use_karras_sigmas: false, solver_order: 2 })).toEqual([]);
    expect(unknownKeys({ ...config, _diffusers_version: '1', shift: 3 })).toEqual(['shift']);
  });
});

describe('samplers by name', () => {
  const trailing = {
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    timestep_spacing: 'trailing',
  };

  it.each(samplersOn('variance-preserving'))('%s', async (sampler) => {
    const path = createSchedule(trailing);
    const given = { ...settings, sampler, steps: 4 };
    const { sampler: made, denoiser } = setUp(trailing, given);
    expect(await sample(made, denoiser, noise)).toHaveLength(1);
    if (freshNoiseCount(path, given) > 0) expect(() => namedSampler(path, given)).toThrow('needs freshNoise');
  });

  it('spread their noise levels as the setting says, over what the file says', async () => {
    const karras = { ...trailing, use_karras_sigmas: true };
    for (const sampler of ['euler', 'heun', 'lms', 'dpm-solver', 'dpm-sde', 'unipc'] as const) {
      const run = async (config: SchedulerConfig, sigmas: SamplerSettings['sigmas']) => {
        const { sampler: made, denoiser } = setUp(config, { sampler, sigmas, steps: 6 });
        return (await sample(made, denoiser, noise))[0];
      };
      const [plain, asked] = [await run(trailing, 'model'), await run(trailing, 'karras')];
      expect(asked).not.toEqual(plain);
      expect(await run(karras, 'model')).toEqual(asked);
      expect(await run(karras, 'exponential')).toEqual(await run(trailing, 'exponential'));
      expect(await run(trailing, 'beta')).toEqual(await run({ ...trailing, use_beta_sigmas: true }, 'model'));
    }
    expect(() => setUp(trailing, { sampler: 'ddim', sigmas: 'karras', steps: 6 })).toThrow(
      'sigmas: karras is not supported with the sampler ddim; use dpm-solver',
    );
  });

  it('refuse settings that are of other samplers', () => {
    expect(() => setUp(trailing, { sampler: 'euler', eta: 0.5, steps: 6 })).toThrow(
      'eta: 0.5 is not supported with the sampler euler; use ddim or tcd',
    );
    expect(() => setUp(trailing, { sampler: 'unipc', stepEnds: 'next', steps: 6 })).toThrow(
      'stepEnds: next is not supported with the sampler unipc; use ddim or edict',
    );
  });

  it('dpm-2m-sde is the stochastic form of dpm-solver', async () => {
    const file = {
      ...trailing,
      _class_name: 'DPMSolverMultistepScheduler',
      algorithm_type: 'sde-dpmsolver++',
    };
    const [asked, stated] = [setUp(trailing, { sampler: 'dpm-2m-sde', steps: 6 }), setUp(file, { steps: 6 })];
    expect(await sample(asked.sampler, network, noise)).toEqual(await sample(stated.sampler, network, noise));
  });
});

describe('steps that do not divide the trained timesteps', () => {
  const path = createSchedule({ ...STABLE, steps_offset: 0 });

  it("of EDICT end at the exact quotient, as in EDICT's code", () => {
    const { timesteps, levels, ends } = path.stops(33, { rule: 'edict' });
    expect(timesteps.slice(0, 2)).toEqual([960, 930]);
    // 960 - 1000/33 = 929.697: the code weighs timestep 929 by the fraction and 930 by the rest.
    const { alphasCumprod: alpha } = path;
    const rest = 960 - 1000 / 33 - 929;
    expect(ends?.[0]).toBeCloseTo(alpha[929] * rest + alpha[930] * (1 - rest), 14);
    expect(ends?.at(-1)).toBe(path.finalAlphaCumprod);
    expect(path.stops(33, { rule: 'edict', stepEnds: 'next' }).ends).toBeUndefined();
    expect(path.stops(50, { rule: 'edict' }).ends).toEqual(levels50());
    expect(levels[1]).toBe(alpha[930]);
  });

  it.each([0, 13])("of EDICT give the pair of EDICT's code, from step %i on", async (startIndex) => {
    const sampler = edict(path, 33, { firstStep: startIndex });
    const pair = await sample(sampler, network, noise, { startIndex });
    const wanted = reference(startIndex === 0 ? 'edict.33' : `edict.33.from.${startIndex}`);
    expect(maxDifference([...pair[0], ...pair[1]], wanted)).toBeLessThan(1e-7);
  });

  const levels50 = () => path.stops(50).levels.slice(1);

  it('end where the next one begins by the option', () => {
    const spread = createSchedule({ ...STABLE, timestep_spacing: 'linspace' });
    expect(spread.stops(33).ends?.[0]).toBe(spread.level(999 - 30));
    expect(spread.stops(33, { stepEnds: 'next' }).ends).toBeUndefined();
  });
});
