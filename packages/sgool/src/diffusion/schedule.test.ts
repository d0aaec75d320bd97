import { describe, expect, it } from 'vitest';
import { product } from '../numbers.ts';
import type { Combination } from './noise-path.ts';
import { createSchedule } from './schedule.ts';
import { maxDifference, randomNormal, readFixture } from './testing.ts';

const stableDiffusion = {
  _class_name: 'PNDMScheduler',
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  steps_offset: 1,
  clip_sample: false,
};

describe('createSchedule', () => {
  it('refuses betas without signal, from the first timestep on', () => {
    const most = 1 - 1e-15;
    for (const [trained_betas, timestep] of [
      [[most, 0.1, 0.1], 0],
      [[0.1, most, 0.1], 1],
    ] as const)
      expect(() => createSchedule({ ...stableDiffusion, num_train_timesteps: 3, trained_betas })).toThrow(
        `of the signal at timestep ${timestep} of 3; there must be 1e-12 until the last but one`,
      );
    expect(() =>
      createSchedule({ ...stableDiffusion, num_train_timesteps: 3, trained_betas: [0.1, 0.1, most] }),
    ).not.toThrow();
  });

  it('goes nowhere in a step to the same level', () => {
    for (const prediction_type of ['v_prediction', 'sample'])
      expect(createSchedule({ ...stableDiffusion, prediction_type }).step(0.5, 0.5)).toEqual({
        ...{ latent: 1, prediction: 0, freshNoise: 0 },
      });
  });

  it('gives the published numbers of Stable Diffusion', () => {
    const { alphasCumprod, finalAlphaCumprod } = createSchedule(stableDiffusion);
    expect(alphasCumprod[0]).toBeCloseTo(0.99915, 14);
    expect(alphasCumprod[1]).toBeCloseTo(0.9982960278384514, 14);
    expect(alphasCumprod[20]).toBeCloseTo(0.981314362200552, 14);
    expect(alphasCumprod[500]).toBeCloseTo(0.2763326838229746, 14);
    expect(alphasCumprod[980]).toBeCloseTo(0.005843783318683297, 14);
    expect(alphasCumprod[999]).toBeCloseTo(0.004660098513077238, 14);
    expect(finalAlphaCumprod).toBe(alphasCumprod[0]);
  });

  it('agrees with diffusers for every kind of betas', () => {
    const fixture = readFixture();
    for (const beta_schedule of ['linear', 'scaled_linear', 'squaredcos_cap_v2']) {
      const config = beta_schedule === 'scaled_linear' ? stableDiffusion : { beta_schedule };
      const { alphasCumprod } = createSchedule(config);
      // diffusers accumulates a thousand factors in float32
      expect(maxDifference(alphasCumprod, fixture(`alphas.${beta_schedule}`))).toBeLessThan(2e-6);
    }
  });

  it('takes the defaults of the class that the file names', () => {
    expect(createSchedule({ _class_name: 'DDIMScheduler' }).finalAlphaCumprod).toBe(1);
    expect(createSchedule({ _class_name: 'PNDMScheduler' }).finalAlphaCumprod).toBeLessThan(1);
    expect(createSchedule().betas[0]).toBe(0.0001);
    expect(createSchedule().betas[999]).toBe(0.02);
    expect(createSchedule({ num_train_timesteps: 2, trained_betas: [0.5, 0.5] }).alphasCumprod[1]).toBe(0.25);
  });

  it('spreads timesteps as diffusers does', () => {
    const fixture = readFixture();
    expect(createSchedule(stableDiffusion).timesteps(10)).toEqual([...fixture('ddim.10.timesteps')]);
    expect(createSchedule(stableDiffusion).timesteps(7)).toEqual([...fixture('ddim.7.timesteps')]);
    expect(createSchedule({ timestep_spacing: 'trailing' }).timesteps(16)).toEqual([
      ...fixture('trailing.16.timesteps'),
    ]);
    expect(createSchedule({ timestep_spacing: 'linspace' }).timesteps(3)).toEqual([999, 500, 0]);
    const { finalAlphaCumprod, level, stops } = createSchedule({
      ...stableDiffusion,
      set_alpha_to_one: true,
    });
    const { timesteps, levels } = stops(50);
    expect(timesteps.slice(-2)).toEqual([21, 1]);
    // The last step ends a stride below timestep 1, where the chain is at its end.
    expect(levels.slice(-2)).toEqual([level(1), finalAlphaCumprod]);
    // With an offset above the stride it ends at a timestep that the network was trained on.
    const late = createSchedule({ ...stableDiffusion, steps_offset: 30 });
    expect(late.stops(600).levels.slice(-2)).toEqual([late.level(30), late.level(29)]);
  });

  it('says what is wrong with a configuration or a number of steps', () => {
    expect(() => createSchedule({ beta_schedule: 'sigmoid' })).toThrow(
      'beta_schedule is not usable, got sigmoid; it must be one of linear, scaled_linear, squaredcos_cap_v2, exp',
    );
    expect(() => createSchedule({ beta_start: -1 })).toThrow('beta_start');
    expect(() => createSchedule({ trained_betas: [0.1] })).toThrow('got 1 values; it must be 1000');
    expect(() => createSchedule().timesteps(0)).toThrow('steps must be a whole number from 1 to 1000, got 0');
    expect(() => createSchedule(stableDiffusion).timesteps(1000)).toThrow('use fewer steps');
  });
});

describe('a step of the path', () => {
  it('has the published coefficients of DDIM with offset 0 and 1', () => {
    const at = (offset: number, timestep: number) => {
      const schedule = createSchedule({ ...stableDiffusion, steps_offset: offset });
      const { timesteps, levels } = schedule.stops(50);
      const step = timesteps.indexOf(timestep);
      return schedule.step(levels[step], levels[step + 1]);
    };
    expect(at(0, 980).latent).toBeCloseTo(1.1226555714292998, 13);
    expect(at(0, 980).prediction).toBeCloseTo(-0.12305991537384453, 13);
    expect(at(0, 500).prediction).toBeCloseTo(-0.05735909759074043, 13);
    expect(at(0, 20).latent).toBeCloseTo(1.009046705565627, 13);
    expect(at(0, 0)).toEqual({ latent: 1, prediction: 0, freshNoise: 0 });
    expect(at(1, 981).latent).toBeCloseTo(1.1228517009624683, 13);
    expect(at(1, 21).prediction).toBeCloseTo(-0.10006354229230377, 13);
  });

  it('scales the latent by 13.08 over 50 steps', () => {
    const { stops, step } = createSchedule({ ...stableDiffusion, steps_offset: 0 });
    const { levels } = stops(50);
    const scale = product(levels.slice(1).map((to, i) => step(levels[i], to).latent));
    expect(scale).toBeCloseTo(13.0758006, 6);
  });
});

describe('conversions', () => {
  const original = randomNormal(8, 1);
  const noise = randomNormal(8, 2);
  const { level, signal, noise: spread, cleanLatent } = createSchedule(stableDiffusion);
  const at700 = level(700);
  const noised = original.map((value, i) => signal(at700) * value + spread(at700) * noise[i]);

  it('keeps the variance of a latent', () => {
    expect(signal(at700) ** 2 + spread(at700) ** 2).toBeCloseTo(1, 14);
  });

  it('recovers the clean latent from the noise that was added', () => {
    const { latent, prediction } = cleanLatent(at700);
    const recovered = noised.map((value, i) => latent * value + prediction * noise[i]);
    expect(maxDifference(recovered, original)).toBeLessThan(1e-14);
  });

  it.each([
    ['epsilon', noise],
    ['v_prediction', noise.map((value, i) => signal(at700) * value - spread(at700) * original[i])],
    ['sample', original],
  ])('finds noise and clean latent in a network output of the type %s', (prediction_type, output) => {
    const path = createSchedule({ ...stableDiffusion, prediction_type });
    const mixed = ({ latent, prediction }: Combination) =>
      noised.map((value, i) => latent * value + prediction * output[i]);
    expect(maxDifference(mixed(path.noisePart(at700)), noise)).toBeLessThan(1e-14);
    expect(maxDifference(mixed(path.cleanLatent(at700)), original)).toBeLessThan(1e-14);
    // A step keeps both, with its own weights.
    const at300 = level(300);
    const wanted = original.map((value, i) => signal(at300) * value + spread(at300) * noise[i]);
    expect(maxDifference(mixed(path.step(at700, at300)), wanted)).toBeLessThan(1e-14);
  });
});
