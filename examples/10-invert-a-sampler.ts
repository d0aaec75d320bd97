/**
 * @file Schedules and samplers without a network: EDICT is exactly invertible, and both kinds of trajectory give the
 * same gradient. The denoiser is the exact one for data that is normally distributed with variance 0.25.
 *
 * npx tsx examples/10-invert-a-sampler.ts
 */
import assert from 'node:assert/strict';
import { Generator } from 'sgool';
import { createSchedule, edict, runTrajectory } from 'sgool/diffusion';

const schedule = createSchedule({ beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 });
/** The factor c of the best prediction c * latent: √(1-ᾱ) / (0.25 ᾱ + 1-ᾱ). */
const factor = (timestep: number) => {
  const signal = schedule.alphasCumprod[timestep];
  return Math.sqrt(1 - signal) / (0.25 * signal + 1 - signal);
};
const denoiser = {
  predicts: 'noise' as const,
  latentShape: [1, 4, 8, 8],
  predict: async (latent: Float64Array, timestep: number) =>
    latent.map((value) => Math.fround(factor(timestep) * Math.fround(value))),
  pullback: async (_: Float64Array, timestep: number, cotangent: Float64Array) =>
    cotangent.map((value) => factor(timestep) * value),
  evaluations: { forward: 0, pullback: 0 },
};

const sampler = edict(schedule, 20);
const noise = new Generator(0).randn64([4 * 8 * 8]);
const ones = new Float64Array(noise.length).fill(1);
const gradients: Float64Array[] = [];
for (const kind of ['invertible', 'checkpointed'] as const) {
  const trajectory = await runTrajectory(kind, sampler, denoiser, noise);
  gradients.push(await trajectory.pullback(trajectory.final.map(() => ones)));
  console.log(`${kind}: ${trajectory.retainedLatents} latents kept for the backward pass`);
}
const apart = Math.max(...gradients[0].map((value, i) => Math.abs(value - gradients[1][i])));
assert(apart < 1e-6, `both gradients must be the same, they differ by ${apart}`);
