/**
 * @file The controlled equations of RF-inversion on a rectified flow: from a clean latent to a noise and back, each step drawn
 * towards a latent that is known.
 *
 * With velocity v, noise level s (0 clean, 1 noise) and the straight line to a known latent as a second velocity:
 *
 *     inversion, towards noise n    dx/ds = (1 - γ)·v(x, s) + γ·(n - x)/(1 - s)
 *     sampling, towards clean c    dx/ds = (1 - η)·v(x, s) + η·(x - c)/s
 *
 * Reference: Rout et al. 2024, "Semantic Image Inversion and Editing using Rectified Stochastic Differential Equations", algorithms 1
 * and 2; diffusers, examples/community/pipeline_flux_rf_inversion.py. A departure: the network gets the time of its latent in the
 * inversion, too, and not evenly spaced times whatever the schedule.
 */
import type { Denoiser } from './denoiser.ts';
import type { InvertOptions } from './inversion.ts';
import { linearStage } from './linear-stage.ts';
import { type NoisePath, type Stops, timestepAt } from './noise-path.ts';
import { createSampler, type Latents, mixesAt, type Sampler, singleLatent } from './sampler.ts';
import { runChain } from './trajectory.ts';

const STATE = ['latent'];

/** A known latent, and how strongly steps are drawn towards it. */
export interface Attraction {
  readonly latent: Float64Array;
  /** γ or η: 0 for the flow alone, 1 for the straight line. */
  readonly share: number;
}

/**
 * Every state of the inversion of a clean latent: one at the beginning of each step from `startIndex` on, noisiest first, and the
 * clean one as the last. One network call per step.
 *
 * @param path a rectified flow
 * @param stops of the chain that samples
 * @param towards the noise
 */
export async function invertControlled(
  path: NoisePath,
  stops: Stops,
  denoiser: Denoiser,
  clean: Float64Array,
  towards: Attraction,
  { startIndex = 0, onStep, signal }: InvertOptions = {},
): Promise<Latents[]> {
  const { levels, timesteps } = stops;
  const stages = timesteps
    .map((_, step) => {
      const [to, from] = [levels[step], levels[step + 1]];
      const pull = (towards.share * (to - from)) / (1 - from);
      return linearStage({
        step,
        timestep: timesteps[step + 1] ?? timestepAt(path, from),
        state: STATE,
        next: { latent: { latent: 1 - pull, prediction: (1 - towards.share) * (to - from) } },
        shift: () => towards.latent.map((value) => pull * value),
      });
    })
    .reverse();
  const name = 'rf-inversion';
  const chain = createSampler({
    name,
    timesteps,
    stages,
    mixAt: mixesAt(path, stops),
    ...singleLatent(name),
  });
  const states: Latents[] = [];
  const first = await runChain(
    { ...chain, stages: stages.slice(0, timesteps.length - startIndex) },
    denoiser,
    clean,
    { onStep, signal },
    (state) => void states.unshift(state),
  );
  return [first, ...states];
}

/**
 * Euler's sampler of a rectified flow, of which some steps are drawn towards the clean latent. One network call per step; it has a
 * gradient, but no inverse.
 *
 * @param stops its steps
 * @param controlled which steps are drawn, from the first of these to before the second; in the others the share is 0
 */
export function controlledSampler(
  path: NoisePath,
  stops: Stops,
  { latent, share }: Attraction,
  controlled: readonly [from: number, to: number],
): Sampler {
  const { levels, timesteps } = stops;
  const name = 'rf-inversion';
  const stages = timesteps.map((timestep, step) => {
    const [from, to] = [levels[step], levels[step + 1]];
    const eta = controlled[0] <= step && step < controlled[1] ? share : 0;
    const pull = (eta * (from - to)) / from;
    return linearStage({
      step,
      timestep,
      state: STATE,
      next: { latent: { latent: 1 - pull, prediction: (1 - eta) * (to - from) } },
      shift: () => latent.map((value) => pull * value),
    });
  });
  return createSampler({ name, timesteps, stages, mixAt: mixesAt(path, stops), ...singleLatent(name) });
}
