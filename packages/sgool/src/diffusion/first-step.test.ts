import { describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { VALUES } from '../request/testing.ts';
import { createFlowPath } from './flow-path.ts';
import type { NoisePath } from './noise-path.ts';
import type { Latents } from './sampler.ts';
import { type SamplerName, samplersOn } from './sampler-names.ts';
import { namedSampler } from './samplers/named-sampler.ts';
import { createSchedule } from './schedule.ts';
import { maxDifference, randomNormal, randomWeights, runStep, tanhDenoiser } from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const STEPS = 16;
const SKIPPED = 8;
const SIZE = 6;
const schedule = createSchedule({
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  steps_offset: 1,
  set_alpha_to_one: false,
  // From 15 steps on DPM-Solver takes its last steps at full order, however few of them run.
  solver_order: 3,
  final_sigmas_type: 'sigma_min',
});
const denoiser = tanhDenoiser(randomWeights(SIZE));
const flow = createFlowPath({ shift: 3, solver_order: 3 }, 1024);
const CASES: [SamplerName, NoisePath][] = [schedule, flow].flatMap((path) =>
  samplersOn(path.kind).map((name): [SamplerName, NoisePath] => [name, path]),
);
const freshNoise = (step: number) => randomNormal(SIZE, 40 + step);

it.each(CASES.filter(([name]) => name !== 'dpm-sde'))(
  '%s ($1.kind): once they have a history, the steps are those of the whole chain',
  async (sampler, path) => {
    const settings = { ...VALUES, sampler, steps: STEPS, eta: 0, edictOutput: 'both' } as const;
    const whole = namedSampler(path, settings, { freshNoise });
    const later = namedSampler(path, settings, { freshNoise, firstStep: SKIPPED });
    expect(later.timesteps).toEqual(whole.timesteps);
    let state: Latents = whole.initial(randomNormal(SIZE));
    for (let step = 0; step < whole.steps; step++) {
      const next = await runStep(whole, state, step, denoiser);
      if (step >= SKIPPED + 4) {
        const same = await runStep(later, state, step, denoiser);
        same.forEach((latent, i) => {
          expect(maxDifference(latent, next[i]), `step ${step}, latent ${i}`).toBeLessThan(1e-9); // EDICT rounds to a grid of its chain
        });
      }
      state = next;
    }
  },
);

describe.each([1, 2, 3])('the last %i steps alone', (left) => {
  it.each(CASES)('%s ($1.kind): make a chain with a gradient', async (sampler, path) => {
    const settings = { ...VALUES, sampler, steps: STEPS, eta: 0, edictOutput: 'x' } as const;
    const startIndex = STEPS - left;
    const chain = namedSampler(path, settings, { freshNoise, firstStep: startIndex });
    const [noise, cotangent] = [randomNormal(SIZE, 2), randomNormal(SIZE, 3)];
    const along = (start: Float64Array) =>
      sample(chain, denoiser, start, { startIndex }).then(([end]) => end);
    const trajectory = await runTrajectory('checkpointed', chain, denoiser, noise, { startIndex });
    const gradient = await trajectory.pullback([cotangent]);
    const step = 1e-4;
    const moved = async (i: number, by: number) =>
      dot(cotangent, await along(noise.map((value, k) => value + (k === i ? by : 0))));
    for (const i of [0, SIZE - 1]) {
      const slope = ((await moved(i, step)) - (await moved(i, -step))) / (2 * step);
      expect(gradient[i]).toBeCloseTo(slope, 4);
    }
  });
});

it('UniPC counts the steps that it does not correct from the beginning of the whole chain', async () => {
  const settings = { ...VALUES, sampler: 'unipc', steps: STEPS } as const;
  const end = async (disable_corrector: number[]) => {
    const scheduler = createSchedule({ ...schedule.config, disable_corrector });
    const chain = namedSampler(scheduler, settings, { firstStep: SKIPPED });
    return (await sample(chain, denoiser, randomNormal(SIZE), { startIndex: SKIPPED }))[0];
  };
  expect(await end([0])).toEqual(await end([]));
  expect(await end([SKIPPED])).not.toEqual(await end([]));
});

it('mixes image and noise to the level where the first step begins', () => {
  const later = namedSampler(schedule, { ...VALUES, sampler: 'ddim', steps: STEPS }, { firstStep: SKIPPED });
  const level = schedule.stops(STEPS).levels[SKIPPED];
  expect(later.mixAt(SKIPPED)).toEqual({ signal: schedule.signal(level), noise: schedule.noise(level) });
});
