/**
 * @file Noise levels by Karras' rule, for schedules whose file says `use_karras_sigmas`: evenly spaced in σ^(1/7), so that most
 * steps fall where there is little noise.
 *
 * Reference: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", equation 5 with ρ = 7.
 */
import type { Schedule } from '../schedule.ts';

const RHO = 7;

/** σ = √((1-ᾱ)/ᾱ) of a timestep: noise over signal. */
export function noiseRatio(schedule: Schedule, timestep: number): number {
  const alpha = schedule.alphaCumprod(timestep);
  return Math.sqrt((1 - alpha) / alpha);
}

/** Where the last step ends by the schedule's file: at no noise (`zero`), or at that of timestep 0 (`smallest`). */
export function finalNoiseOf({ config }: Schedule): 'zero' | 'smallest' {
  return config.final_sigmas_type === 'sigma_min' ? 'smallest' : 'zero';
}

/** `steps` levels from `largest` down to `smallest`. */
export function karrasRatios(steps: number, largest: number, smallest: number): number[] {
  const [from, to] = [largest ** (1 / RHO), smallest ** (1 / RHO)];
  return Array.from({ length: steps }, (_, i) => (from + (i / Math.max(steps - 1, 1)) * (to - from)) ** RHO);
}

/** The timestep of a level, with fractions: log σ is interpolated between timesteps. Clamped to the schedule's ends. */
export function timestepOfRatio(schedule: Schedule, ratio: number): number {
  const last = schedule.trainTimesteps - 1;
  let below = 0;
  while (below < last - 1 && noiseRatio(schedule, below + 1) <= ratio) below++;
  const [low, high] = [below, below + 1].map((timestep) => Math.log(noiseRatio(schedule, timestep)));
  return below + Math.min(1, Math.max(0, (Math.log(ratio) - low) / (high - low)));
}
