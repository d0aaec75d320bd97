import { describe, expect, it } from 'vitest';
import { dot } from '../../numbers.ts';
import type { Denoiser } from '../denoiser.ts';
import { fixedNoise } from '../fresh-noise.ts';
import type { Sampler } from '../sampler.ts';
import type { SchedulerConfig } from '../schedule.ts';
import { createSchedule } from '../schedule.ts';
import { maxDifference, randomNormal, readFixture, tanhDenoiser } from '../testing.ts';
import { runTrajectory, sample } from '../trajectory.ts';
import { dpmSolver } from './dpm-solver.ts';
import { euler, eulerAncestral } from './euler.ts';
import { lcm } from './lcm.ts';
import { tcd } from './tcd.ts';

const fixture = readFixture();
const network = tanhDenoiser({ first: fixture('first'), second: fixture('second'), shift: fixture('shift') });
const noise = fixture('noise');
const fresh = fixture('fresh');
let drawn = 0;
const freshNoise = fixedNoise(7, noise.length, (count) => fresh.subarray(drawn, (drawn += count)));

const schedule = (changes: SchedulerConfig = {}) =>
  createSchedule({
    _class_name: 'EulerDiscreteScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    set_alpha_to_one: false,
    steps_offset: 1,
    ...changes,
  });
const trailing = schedule({ timestep_spacing: 'trailing' });
const velocity = schedule({ timestep_spacing: 'trailing', prediction_type: 'v_prediction' });
const consistency = createSchedule({ _class_name: 'LCMScheduler' });
const consistencyVelocity = createSchedule({
  _class_name: 'LCMScheduler',
  prediction_type: 'v_prediction',
  original_inference_steps: 40,
});

/** The stand-in as a network that predicts velocity. */
function predictingVelocity(of: typeof velocity): Denoiser {
  return { ...network, predicts: of.predicts };
}

const cases: [string, Sampler, Denoiser?][] = [
  ['euler.trailing.1', euler(trailing, 1)],
  ['euler.trailing.4', euler(trailing, 4)],
  ['euler.linspace.7', euler(schedule(), 7)],
  ['euler.leading.10', euler(schedule({ timestep_spacing: 'leading' }), 10)],
  ['euler.smallest.4', euler(schedule({ timestep_spacing: 'trailing', final_sigmas_type: 'sigma_min' }), 4)],
  ['euler.v.4', euler(velocity, 4), predictingVelocity(velocity)],
  ['ancestral.trailing.1', eulerAncestral(trailing, 1)],
  ['ancestral.trailing.4', eulerAncestral(trailing, 4, { freshNoise })],
  ['ancestral.linspace.7', eulerAncestral(schedule(), 7, { freshNoise })],
  ['euler.karras.1', euler(schedule({ timestep_spacing: 'trailing', use_karras_sigmas: true }), 1)],
  ['euler.karras.6', euler(schedule({ timestep_spacing: 'trailing', use_karras_sigmas: true }), 6)],
  ['dpm.karras.10', dpmSolver(schedule({ use_karras_sigmas: true }), 10)],
  ['lcm.1', lcm(consistency, 1)],
  ['lcm.4', lcm(consistency, 4, { freshNoise })],
  ['lcm.v.3', lcm(consistencyVelocity, 3, { freshNoise }), predictingVelocity(consistencyVelocity)],
];

describe('samplers of few steps', () => {
  it.each(cases)('%s equals diffusers', async (name, sampler, denoiser = network) => {
    // Timesteps between others come from float32 noise levels
    expect(maxDifference(sampler.timesteps, fixture(`${name}.timesteps`))).toBeLessThan(1e-3);
    const before = network.evaluations.forward;
    const [latent] = await sample(sampler, denoiser, noise);
    expect(network.evaluations.forward - before).toBe(sampler.steps);
    // diffusers takes steps and noise levels in float32
    const wanted = fixture(name);
    expect(maxDifference(latent, wanted) / Math.max(...wanted.map(Math.abs))).toBeLessThan(2e-6);
  });

  it.each(cases)('%s has the gradient of its chain', async (_, sampler, denoiser = network) => {
    const direction = randomNormal(noise.length, 3);
    const weights = randomNormal(noise.length, 4);
    const at = async (distance: number) => {
      const moved = noise.map((value, i) => value + distance * direction[i]);
      return dot((await sample(sampler, denoiser, moved))[0], weights);
    };
    const slope = ((await at(1e-5)) - (await at(-1e-5))) / 2e-5;
    const trajectory = await runTrajectory('checkpointed', sampler, denoiser, noise);
    expect(dot(await trajectory.pullback([weights]), direction) / slope).toBeCloseTo(1, 6);
  });

  it('take a latent in the middle of the chain as it is', async () => {
    const sampler = euler(trailing, 4);
    const seen: Float64Array[] = [];
    const whole = await sample(sampler, network, noise, {
      onStep: ({ latents }) => void seen.push(latents[0]),
    });
    const tail = await sample(sampler, network, seen[1], { startIndex: 2 });
    expect(tail).toEqual(whole);
  });

  it('with linspace and one step begin with the noisiest timestep', () => {
    expect(euler(schedule(), 1).timesteps).toEqual([999]);
  });

  it('say what they need', () => {
    expect(() => eulerAncestral(trailing, 2)).toThrow('needs freshNoise');
    expect(() => lcm(consistency, 2)).toThrow('needs freshNoise');
    expect(() => lcm(consistency, 51, { freshNoise })).toThrow('a whole number from 1 to 50, got 51');
    expect(() => lcm(createSchedule({ timestep_scaling: 'ten' }), 1)).toThrow('timestep_scaling');
  });
});

describe('the boundary condition of consistency models', () => {
  /** One step of a model whose scaled timestep is `scaled`, compared with the clean latent that it predicts and its input. */
  async function step(scaled: number) {
    const path = createSchedule({ _class_name: 'LCMScheduler', timestep_scaling: scaled / 999 });
    const [result] = await sample(lcm(path, 1), network, noise);
    const { latent, prediction } = path.cleanLatent(path.level(999));
    const noisePrediction = await network.predict(noise, 999);
    const clean = noise.map((value, i) => latent * value + prediction * noisePrediction[i]);
    return { result, clean };
  }

  it('returns the latent itself at time 0', async () => {
    const { result } = await step(1e-12);
    expect(maxDifference(result, noise)).toBeLessThan(1e-9);
  });

  it('blends the latent and the predicted clean latent by 1/2 and √1/2 at time 0.5, the deviation of the data', async () => {
    const { result, clean } = await step(0.5);
    const blend = noise.map((value, i) => 0.5 * value + Math.SQRT1_2 * clean[i]);
    expect(maxDifference(result, blend)).toBeLessThan(1e-11);
  });
});

describe('fresh noise', () => {
  it('is the same at every call for a step', async () => {
    expect(freshNoise(2, noise.length)).toBe(freshNoise(2, noise.length));
    expect(freshNoise(0, noise.length)).not.toEqual(freshNoise(1, noise.length));
    expect(() => freshNoise(7, noise.length)).toThrow('each of 7 steps');
    const sampler = lcm(consistency, 4, { freshNoise });
    expect(await sample(sampler, network, noise)).toEqual(await sample(sampler, network, noise));
  });
});

describe('the order of the last steps of DPM-Solver', () => {
  const latentOf = async (steps: number, lower_order_final: boolean) => {
    const path = schedule({ lower_order_final, final_sigmas_type: 'sigma_min' });
    return (await sample(dpmSolver(path, steps), network, noise))[0];
  };

  it('is lower for fewer than 15 steps', async () => {
    expect(await latentOf(14, true)).not.toEqual(await latentOf(14, false));
    expect(await latentOf(15, true)).toEqual(await latentOf(15, false));
  });
});

it('TCD draws no noise unless it is told to', async () => {
  const path = createSchedule({ _class_name: 'TCDScheduler' });
  expect(await sample(tcd(path, 3), network, noise)).toEqual(
    await sample(tcd(path, 3, { eta: 0 }), network, noise),
  );
});

describe('the end of the chain', () => {
  it('is taken from the file', async () => {
    const smallest = schedule({ final_sigmas_type: 'sigma_min' });
    const [given] = await sample(dpmSolver(smallest, 6), network, noise);
    const [stated] = await sample(dpmSolver(schedule(), 6, { finalNoise: 'smallest' }), network, noise);
    expect(given).toEqual(stated);
  });
});
