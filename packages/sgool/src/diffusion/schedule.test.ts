import { describe, expect, it } from 'vitest';
import { addNoise, noiseCoefficients, predictOriginal } from './noising.ts';
import { ddimCoefficients } from './samplers/ddim.ts';
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
    expect(createSchedule(stableDiffusion).transitions(50).at(-1)).toEqual({ timestep: 1, previous: -19 });
  });

  it('says what is wrong with a configuration or a number of steps', () => {
    expect(() => createSchedule({ beta_schedule: 'sigmoid' })).toThrow(
      'beta_schedule is not usable, got sigmoid; it must be one of linear, scaled_linear, squaredcos_cap_v2',
    );
    expect(() => createSchedule({ beta_start: -1 })).toThrow('beta_start');
    expect(() => createSchedule({ trained_betas: [0.1] })).toThrow('got 1 values; it must be 1000');
    expect(() => createSchedule({ rescale_betas_zero_snr: true })).toThrow('zero-terminal-SNR');
    expect(() => createSchedule().timesteps(0)).toThrow('steps must be a whole number from 1 to 1000, got 0');
    expect(() => createSchedule(stableDiffusion).timesteps(1000)).toThrow('use fewer steps');
  });
});

describe('ddimCoefficients', () => {
  it('gives the published numbers with offset 0 and 1', () => {
    const at = (offset: number, timestep: number) => {
      const schedule = createSchedule({ ...stableDiffusion, steps_offset: offset });
      return ddimCoefficients(schedule, schedule.transitions(50).find((one) => one.timestep === timestep)!);
    };
    expect(at(0, 980).latent).toBeCloseTo(1.1226555714292998, 13);
    expect(at(0, 980).noise).toBeCloseTo(-0.12305991537384453, 13);
    expect(at(0, 500).noise).toBeCloseTo(-0.05735909759074043, 13);
    expect(at(0, 20).latent).toBeCloseTo(1.009046705565627, 13);
    expect(at(0, 0)).toEqual({ latent: 1, noise: 0, sigma: 0 });
    expect(at(1, 981).latent).toBeCloseTo(1.1228517009624683, 13);
    expect(at(1, 21).noise).toBeCloseTo(-0.10006354229230377, 13);
  });

  it('stretches the latent by 13.08 over 50 steps', () => {
    const schedule = createSchedule({ ...stableDiffusion, steps_offset: 0 });
    const product = schedule
      .transitions(50)
      .reduce((sofar, transition) => sofar * ddimCoefficients(schedule, transition).latent, 1);
    expect(product).toBeCloseTo(13.0758006, 6);
  });
});

describe('conversions', () => {
  const original = randomNormal(8, 1);
  const noise = randomNormal(8, 2);

  it('recovers the clean latent from the noise that was added', () => {
    const schedule = createSchedule(stableDiffusion);
    const noised = addNoise(schedule, original, noise, 700);
    expect(maxDifference(predictOriginal(schedule, noised, noise, 700), original)).toBeLessThan(1e-14);
  });

  it('turns velocity and clean latent into noise', () => {
    for (const prediction_type of ['v_prediction', 'sample']) {
      const schedule = createSchedule({ ...stableDiffusion, prediction_type });
      const alpha = schedule.alphaCumprod(700);
      const noised = addNoise(schedule, original, noise, 700);
      const output =
        prediction_type === 'sample'
          ? original
          : noise.map((value, i) => Math.sqrt(alpha) * value - Math.sqrt(1 - alpha) * original[i]);
      const weights = noiseCoefficients(schedule, 700);
      const recovered = noised.map((value, i) => weights.latent * value + weights.output * output[i]);
      expect(maxDifference(recovered, noise)).toBeLessThan(1e-14);
    }
  });
});
