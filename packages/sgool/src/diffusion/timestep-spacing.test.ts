/** Edges of the spreads that no trajectory of diffusers' schedulers reaches. */
import { expect, it } from 'vitest';
import { createSchedule, type SchedulerConfig } from './schedule.ts';

const pathOf = (changes: Record<string, unknown> = {}) =>
  createSchedule({
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    ...changes,
  } as SchedulerConfig);
const path = pathOf();

it('a single step begins where its scheduler says', () => {
  expect(path.stops(1, { spacing: 'linspace' }).timesteps).toEqual([0]);
  expect(path.stops(1, { rule: 'euler', spacing: 'linspace' }).timesteps).toEqual([999]);
  expect(path.stops(2, { rule: 'euler', spacing: 'linspace' }).timesteps).toEqual([999, 0]);
  expect(path.stops(1, { spacing: 'trailing' }).timesteps).toEqual([999]);
});

it('the last step of EDICT ends without noise where steps do not divide the timesteps', () => {
  const { ends } = path.stops(7, { rule: 'edict' });
  expect(ends?.[6]).toBe(path.level(-1));
  expect(path.level(-1)).toBe(1);
  expect(ends?.[4]).toBeLessThan(1);
  // From timestep 142 it is a little more than a step to the end.
  expect(path.stops(7, { rule: 'edict', spacing: 'trailing' }).ends?.[6]).toBe(1);
});

it('lambda_min_clipped leaves out the noisiest timesteps, of DPM-Solver only, and null leaves out none', () => {
  const stops = (value: unknown, rule: 'dpm-solver' | 'unipc' = 'dpm-solver') =>
    pathOf({ lambda_min_clipped: value }).stops(3, { rule, spacing: 'linspace' }).timesteps;
  const all = path.stops(3, { rule: 'dpm-solver', spacing: 'linspace' }).timesteps;
  for (const value of [null, '-Infinity', Number.NEGATIVE_INFINITY]) expect(stops(value)).toEqual(all);
  expect(stops(1)[0]).toBeLessThan(all[0]);
  expect(
    -Math.log(path.noise(path.level(stops(1)[0])) / path.signal(path.level(stops(1)[0]))),
  ).toBeGreaterThanOrEqual(1);
  expect(stops(1e9)).toEqual([0, 0, 0]);
  expect(stops(1, 'unipc')).toEqual(all);
});

it('only rules that have such a key heed it', () => {
  const levels = (
    config: Record<string, unknown>,
    rule: 'heun' | 'dpm-solver' | 'unipc',
    finalNoise?: 'smallest',
  ) => pathOf(config).stops(4, { rule, finalNoise }).levels;
  // Heun ends without noise.
  expect(levels({}, 'heun', 'smallest').at(-1)).toBe(1);
  // The limits of σ are UniPC's.
  const karras = { use_karras_sigmas: true };
  expect(levels({ ...karras, sigma_max: 5 }, 'dpm-solver')).toEqual(levels(karras, 'dpm-solver'));
  expect(levels({ ...karras, sigma_max: 5 }, 'unipc')).not.toEqual(levels(karras, 'unipc'));
  // Lu's levels are DPM-Solver's, and Karras' go before them.
  const lu = { use_lu_lambdas: true };
  expect(levels(lu, 'dpm-solver')).not.toEqual(levels({}, 'dpm-solver'));
  expect(levels({ ...lu, use_karras_sigmas: false }, 'dpm-solver')).toEqual(levels(lu, 'dpm-solver'));
  expect(levels({ ...lu, ...karras }, 'dpm-solver')).toEqual(levels(karras, 'dpm-solver'));
  expect(levels(lu, 'unipc')).toEqual(levels({}, 'unipc'));
});

it('UniPC ends again at its smallest σ where the file says so, and DPM-Solver at that of the schedule', () => {
  const ends = (rule: 'dpm-solver' | 'unipc') => {
    const { levels } = pathOf({ use_karras_sigmas: true, sigma_min: 0.5 }).stops(4, {
      rule,
      finalNoise: 'smallest',
    });
    return levels.slice(-2);
  };
  const [last, end] = ends('unipc');
  expect(end).toBe(last);
  const [before, after] = ends('dpm-solver');
  expect(after).toBeGreaterThanOrEqual(before);
});

it('the timestep of a σ beyond the schedule is its nearest end', () => {
  expect(path.timestepOfRatio(1e9)).toBe(999);
  expect(path.timestepOfRatio(1e-9)).toBe(0);
});

it('levels are finite where the last timestep has no signal', () => {
  const dark = pathOf({ rescale_betas_zero_snr: true });
  for (const sigmas of ['karras', 'exponential', 'beta'] as const) {
    const { timesteps, levels } = dark.stops(5, { rule: 'dpm-solver', sigmas });
    expect([...timesteps, ...levels].every(Number.isFinite)).toBe(true);
    expect(timesteps[0]).toBeGreaterThan(timesteps[4]);
  }
});
