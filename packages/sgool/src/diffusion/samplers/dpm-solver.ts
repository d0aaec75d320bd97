/**
 * @file DPM-Solver++(2M): a second-order multistep solver that gets by with 15 to 25 steps.
 *
 * With α the signal, σ the noise, λ = ln(α/σ), h = λ' - λ, and D the clean latent predicted at this step and the one before:
 *
 *     z' = (σ'/σ)·z + α'·(1 - e⁻ʰ)·((1 + 1/2r)·D - (1/2r)·D₋₁),   r = h₋₁ / h
 *
 * Reference: Lu et al. 2022, "DPM-Solver++", algorithm 2; the last step is first order as in diffusers.
 */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';

export type DpmSolverOptions = Pick<StopOptions, 'spacing' | 'finalNoise'>;

/** From so many steps on, diffusers takes a last step that ends with noise at second order. */
const MANY_STEPS = 15;

/**
 * The DPM-Solver++(2M) sampler, with Karras' noise levels where the scheduler's file says `use_karras_sigmas`. One network call
 * per step; it has a gradient (`checkpointed`), but no inverse.
 */
export function dpmSolver(path: NoisePath, steps: number, options: DpmSolverOptions = {}): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'dpm-solver' });
  const at = stops.levels.map((level) => {
    const [alpha, sigma] = [path.signal(level), path.noise(level)];
    return { alpha, sigma, lambda: Math.log(alpha / sigma) };
  });

  const stages = stops.timesteps.map((timestep, step) => {
    const [now, next] = [at[step], at[step + 1]];
    const isLast = step === steps - 1;
    const isFirstOrder = step === 0 || (isLast && (next.sigma === 0 || steps < MANY_STEPS));
    // α'·(1 - e⁻ʰ)
    const gain = next.alpha - (now.alpha * next.sigma) / now.sigma;
    const r = isFirstOrder
      ? Number.POSITIVE_INFINITY
      : (now.lambda - at[step - 1].lambda) / (next.lambda - now.lambda);
    const newest = gain * (1 + 1 / (2 * r));

    const clean = path.cleanLatent(stops.levels[step]);
    return linearStage({
      step,
      timestep,
      state: step === 0 ? ['latent'] : ['latent', 'cleanBefore'],
      next: {
        latent: {
          latent: next.sigma / now.sigma + newest * clean.latent,
          ...(step > 0 && { cleanBefore: -gain / (2 * r) }),
          prediction: newest * clean.prediction,
        },
        cleanBefore: { ...clean },
      },
    });
  });

  return createSampler({
    name: 'dpm-solver',
    timesteps: stops.timesteps,
    stages,
    ...singleLatent('dpm-solver', 1),
  });
}
