import { describe, expect, it } from 'vitest';
import { invertChain } from '../inversion.ts';
import type { SchedulerConfig } from '../schedule.ts';
import { createSchedule } from '../schedule.ts';
import {
  maxDifference,
  randomNormal,
  randomWeights,
  readFixture,
  runStep,
  tanhDenoiser,
} from '../testing.ts';
import { runTrajectory, sample } from '../trajectory.ts';
import { ddim, ddimInvert } from './ddim.ts';
import { dpmSolver } from './dpm-solver.ts';
import { type EdictOptions, edict } from './edict.ts';
import { pndm } from './pndm.ts';

const fixture = readFixture();
const reference = tanhDenoiser({
  first: fixture('first'),
  second: fixture('second'),
  shift: fixture('shift'),
});
const noise = fixture('noise');

/** The schedule of Stable Diffusion, with some keys changed. */
const schedule = (changes: SchedulerConfig = {}) =>
  createSchedule({
    _class_name: 'PNDMScheduler',
    skip_prk_steps: true,
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    steps_offset: 1,
    ...changes,
  });

const finest = 1e-11;

describe('ddim', () => {
  it('equals DDIMScheduler of diffusers', async () => {
    for (const steps of [7, 10]) {
      const [latent] = await sample(ddim(schedule(), steps), reference, noise);
      expect(maxDifference(latent, fixture(`ddim.${steps}`))).toBeLessThan(finest);
    }
  });

  it('equals it with trailing timesteps that end at no noise', async () => {
    const trailing = schedule({ steps_offset: 0, set_alpha_to_one: true, timestep_spacing: 'trailing' });
    const [latent] = await sample(ddim(trailing, 20), reference, noise);
    expect(maxDifference(latent, fixture('ddim.trailing.20'))).toBeLessThan(finest);
  });

  it('adds fresh noise of the right size with eta', async () => {
    const zero = () => new Float64Array(noise.length);
    const quiet = await sample(ddim(schedule(), 10, { eta: 1, freshNoise: zero }), reference, noise);
    const loud = await sample(
      ddim(schedule(), 10, { eta: 1, freshNoise: (step) => (step === 9 ? zero().fill(1) : zero()) }),
      reference,
      noise,
    );
    // The step from timestep 1 to the final level, which is that of timestep 0
    const { alphasCumprod: alpha } = schedule();
    const sigma = Math.sqrt(((1 - alpha[0]) / (1 - alpha[1])) * (1 - alpha[1] / alpha[0]));
    expect(loud[0][0] - quiet[0][0]).toBeCloseTo(sigma, 12);
    expect(() => ddim(schedule(), 10, { eta: 2 })).toThrow('eta must be between 0 and 1, got 2');
    expect(() => ddim(schedule(), 10, { eta: 1 })).toThrow('needs freshNoise');
  });

  it('is inverted approximately, and better with sweeps', async () => {
    const [latent] = await sample(ddim(schedule(), 50), reference, noise);
    const once = maxDifference(await ddimInvert(schedule(), 50, latent, reference), noise);
    const swept = maxDifference(await ddimInvert(schedule(), 50, latent, reference, { sweeps: 12 }), noise);
    expect(once).toBeGreaterThan(1e-4);
    expect(once).toBeLessThan(0.5);
    expect(swept).toBeLessThan(1e-9);
    expect(ddim(schedule(), 50).invertible).toBe(false);
  });
});

describe('multistep solvers', () => {
  it('pndm equals PNDMScheduler of diffusers', async () => {
    for (const steps of [3, 50]) {
      const sampler = pndm(schedule(), steps);
      expect(sampler.timesteps).toEqual([...fixture(`pndm.${steps}.timesteps`)]);
      expect(sampler.steps).toBe(steps + 1);
      const [latent] = await sample(sampler, reference, noise);
      expect(maxDifference(latent, fixture(`pndm.${steps}`))).toBeLessThan(finest);
    }
  });

  it('pndm with one step is one step of DDIM', async () => {
    const [latent] = await sample(pndm(schedule(), 1), reference, noise);
    const [expected] = await sample(ddim(schedule(), 1), reference, noise);
    expect(maxDifference(latent, expected)).toBeLessThan(finest);
  });

  it.each(['linspace', 'leading', 'trailing'] as const)('dpmSolver equals diffusers, %s', async (spacing) => {
    const sampler = dpmSolver(schedule(), 20, { spacing });
    expect(sampler.timesteps).toEqual([...fixture(`dpm.${spacing}.20.timesteps`)]);
    const [latent] = await sample(sampler, reference, noise);
    // diffusers takes each step in float32
    expect(maxDifference(latent, fixture(`dpm.${spacing}.20`))).toBeLessThan(1e-5);
  });

  it('dpmSolver equals diffusers where the chain ends at the smallest noise', async () => {
    const [latent] = await sample(dpmSolver(schedule(), 6, { finalNoise: 'smallest' }), reference, noise);
    expect(maxDifference(latent, fixture('dpm.linspace.6'))).toBeLessThan(1e-5);
  });
});

describe('edict', () => {
  it('equals a port of the published equations', async () => {
    const fifty = await sample(edict(schedule(), 50), reference, noise);
    expect(
      maxDifference(
        fifty.flatMap((one) => [...one]),
        fixture('edict.50'),
      ),
    ).toBeLessThan(1e-8);
    // An odd number of steps, and a last step that only mixes
    const sampler = edict(schedule({ steps_offset: 0 }), 25, { mixingWeight: 0.9 });
    const odd = await sample(sampler, reference, noise);
    expect(
      maxDifference(
        odd.flatMap((one) => [...one]),
        fixture('edict.25'),
      ),
    ).toBeLessThan(1e-8);
  });

  it.each([49, 50, 100])('returns the noise after %i steps of a float32 network', async (steps) => {
    const denoiser = tanhDenoiser(randomWeights(64), { float32: true });
    const start = randomNormal(64, 9).map(Math.fround);
    const sampler = edict(schedule(), steps);
    const [found] = await invertChain(sampler, denoiser, await sample(sampler, denoiser, start));
    expect(found).toEqual(sampler.initial(start)); // bit for bit
    expect(maxDifference(found[0], start)).toBeLessThan(steps <= 50 ? 1e-9 : 1e-8);
  });

  it('inverts exactly where the chain begins without signal', async () => {
    const path = schedule({
      rescale_betas_zero_snr: true,
      prediction_type: 'v_prediction',
      timestep_spacing: 'trailing',
    });
    const denoiser = { ...tanhDenoiser(randomWeights(64), { float32: true }), predicts: path.predicts };
    const start = randomNormal(64, 9).map(Math.fround);
    const sampler = edict(path, 50);
    expect(sampler.timesteps[0]).toBe(999);
    const [found] = await invertChain(sampler, denoiser, await sample(sampler, denoiser, start));
    expect(found).toEqual(sampler.initial(start)); // bit for bit
  });

  it('inverts exactly from a later start', async () => {
    const sampler = edict(schedule(), 20, { firstStep: 13 });
    const finals = await sample(sampler, reference, noise, { startIndex: 13 });
    const [found] = await invertChain(sampler, reference, finals, { startIndex: 13 });
    expect(found).toEqual(sampler.initial(noise, 13));
  });

  it('counts odd and even steps from firstStep', async () => {
    const at13 = (options?: EdictOptions) =>
      runStep(edict(schedule(), 20, options), [noise, noise], 13, reference);
    const [whole, later] = [await at13(), await at13({ firstStep: 13 })];
    const straight = await at13({ alternate: false });
    expect(maxDifference(later[0], straight[0])).toBe(0);
    expect(maxDifference(later[0], whole[0])).toBeGreaterThan(1e-6);
  });

  it('gives the same bits whether or not an identity step calls the network', async () => {
    const identityLast = schedule({ steps_offset: 0 });
    const calls: number[] = [];
    const results: Float64Array[][] = [];
    for (const skipIdentity of [true, false]) {
      const before = reference.evaluations.forward;
      results.push(await sample(edict(identityLast, 10, { skipIdentity }), reference, noise));
      calls.push(reference.evaluations.forward - before);
    }
    expect(results[0]).toEqual(results[1]);
    expect(calls).toEqual([18, 20]);
  });

  it('runs a chain that neither mixes nor moves at the end', async () => {
    const sampler = edict(schedule({ steps_offset: 0 }), 10, { mixingWeight: 1 });
    expect(sampler.stages).toHaveLength(19);
    const before = sampler.initial(noise);
    expect(await runStep(sampler, before, 9, reference)).toEqual(before);
  });

  it('promises no inverse where float64 has no room for it', async () => {
    const sampler = edict(schedule(), 250);
    expect(sampler.invertible).toBe(false);
    expect(edict(schedule(), 250, { mixingWeight: 0.97 }).invertible).toBe(true);
    await expect(runTrajectory('invertible', sampler, reference, noise)).rejects.toThrow(
      "edict with 250 steps has no exact inverse; use 'checkpointed'",
    );
  });

  it('refuses a mixing weight that is out of range', () => {
    expect(() => edict(schedule(), 10, { mixingWeight: 0.5 })).toThrow('got 0.5');
    expect(() => edict(schedule(), 10, { mixingWeight: 1.5 })).toThrow('got 1.5');
  });
});
