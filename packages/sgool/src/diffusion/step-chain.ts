/** @file A sampler whose every step is the path's own step between two stops: DDIM, Euler's method and its ancestral form. */
import type { FreshNoise } from './fresh-noise.ts';
import { scaledNoise } from './fresh-noise.ts';
import { linearStage } from './linear-stage.ts';
import { endOf, type NoisePath, type Stops } from './noise-path.ts';
import type { Sampler } from './sampler.ts';
import { createSampler, mixesAt, singleLatent } from './sampler.ts';

export interface StepChainOptions {
  /** Share of the noise that each step draws afresh, 0 to 1. Default 0. */
  eta?: number;
  /** Needed when eta is above 0. */
  freshNoise?: FreshNoise;
}

/** Makes the sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse. */
export function stepChain(
  name: string,
  path: NoisePath,
  stops: Stops,
  { eta = 0, freshNoise }: StepChainOptions = {},
): Sampler {
  const { timesteps, levels, startScale, endScale } = stops;
  const state = ['latent'];
  const stages = timesteps.map((timestep, step) => {
    const coefficients = path.step(levels[step], endOf(stops, step), eta);
    const scale = step === timesteps.length - 1 ? endScale : 1;
    return linearStage({
      step,
      timestep,
      state,
      next: {
        latent: { latent: scale * coefficients.latent, prediction: scale * coefficients.prediction },
      },
      shift: scaledNoise(freshNoise, step, scale * coefficients.freshNoise),
    });
  });
  if (startScale !== 1) {
    const next = { latent: { latent: startScale } };
    stages.unshift(linearStage({ step: 0, timestep: timesteps[0], state, next }));
  }
  return createSampler({ name, timesteps, stages, mixAt: mixesAt(path, stops), ...singleLatent(name) });
}
