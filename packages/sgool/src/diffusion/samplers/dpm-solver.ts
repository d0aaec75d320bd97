/**
 * @file DPM-Solver++(2M): a second-order multistep solver that gets by with 15 to 25 steps.
 *
 * With α = √ᾱ, σ = √(1-ᾱ), λ = ln(α/σ), h = λ' - λ, and D the clean latent predicted at this step and the one before:
 *
 *     z' = (σ'/σ)·z + α'·(1 - e⁻ʰ)·((1 + 1/2r)·D - (1/2r)·D₋₁),   r = h₋₁ / h
 *
 * Reference: Lu et al. 2022, "DPM-Solver++", algorithm 2; the last step is first order as in diffusers.
 */
import { roundHalfToEven } from '../../numbers.ts';
import { linearStage } from '../linear-stage.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';
import type { Schedule, TimestepSpacing } from '../schedule.ts';
import { finalNoiseOf, karrasRatios, noiseRatio, timestepOfRatio } from './karras.ts';

export interface DpmSolverOptions {
  /** How timesteps are spread. Default: what the schedule's file says, else `linspace`. */
  spacing?: TimestepSpacing;
  /** Whether the last step ends at no noise (`zero`) or at that of timestep 0 (`smallest`). Default: what the file says, else `zero`. */
  finalNoise?: 'zero' | 'smallest';
}

/**
 * The DPM-Solver++(2M) sampler, with Karras' noise levels where the schedule's file says `use_karras_sigmas`. One network call
 * per step; it has a gradient (`checkpointed`), but no inverse.
 */
export function dpmSolver(
  schedule: Schedule,
  steps: number,
  {
    spacing = schedule.timestepSpacing ?? 'linspace',
    finalNoise = finalNoiseOf(schedule),
  }: DpmSolverOptions = {},
): Sampler {
  const spread = dpmTimesteps(schedule, steps, spacing);
  const karras = schedule.config.use_karras_sigmas === true;
  const ratios = karras
    ? karrasRatios(steps, noiseRatio(schedule, schedule.trainTimesteps - 1), noiseRatio(schedule, 0))
    : spread.map((timestep) => noiseRatio(schedule, timestep));
  // The network is told whole timesteps, the nearest to Karras' levels; a velocity is turned into noise at the timestep.
  const timesteps = karras ? ratios.map((ratio) => Math.round(timestepOfRatio(schedule, ratio))) : spread;
  const levels = [...ratios, finalNoise === 'zero' ? 0 : noiseRatio(schedule, 0)].map(noiseLevel);

  const stages = timesteps.map((timestep, step) => {
    const [now, next] = [levels[step], levels[step + 1]];
    const isLast = step === steps - 1;
    const firstOrder = step === 0 || (isLast && (finalNoise === 'zero' || steps < 15));
    const gain = next.alpha - (now.alpha * next.sigma) / now.sigma;
    const r = firstOrder
      ? Number.POSITIVE_INFINITY
      : (now.lambda - levels[step - 1].lambda) / (next.lambda - now.lambda);
    const newest = gain * (1 + 1 / (2 * r));

    // The clean latent is (z - σ·ε) / α; the state is the latent and, after the first step, the one predicted before.
    const original = [1 / now.alpha, -now.sigma / now.alpha];
    const before = step === 0 ? [] : [-gain / (2 * r)];
    return linearStage({
      step,
      timestep,
      rows: [
        [next.sigma / now.sigma + newest * original[0], ...before, newest * original[1]],
        [original[0], ...before.map(() => 0), original[1]],
      ],
    });
  });

  return createSampler({ name: 'dpm-solver', timesteps, stages, ...singleLatent('dpm-solver', 1) });
}

function noiseLevel(ratio: number) {
  const alpha = 1 / Math.sqrt(1 + ratio * ratio);
  return { alpha, sigma: ratio * alpha, lambda: -Math.log(ratio) };
}

/** Unlike DDIM's, leading and linspace timesteps are spread over one step more, whose last (timestep 0) is left out. */
function dpmTimesteps(schedule: Schedule, steps: number, spacing: TimestepSpacing): number[] {
  const { trainTimesteps, stepsOffset } = schedule;
  schedule.timesteps(steps); // refuses a number of steps that is out of range
  const ascending = Array.from({ length: steps }, (_, i) => {
    if (spacing === 'leading') return (i + 1) * Math.floor(trainTimesteps / (steps + 1)) + stepsOffset;
    if (spacing === 'trailing') return roundHalfToEven(((i + 1) * trainTimesteps) / steps) - 1;
    return roundHalfToEven(((i + 1) * (trainTimesteps - 1)) / steps);
  });
  return ascending.reverse();
}
