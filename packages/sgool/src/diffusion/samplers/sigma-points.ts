/** @file What the samplers share that are written for `x = z / signal`, with noise levels σ = noise / signal. */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, Stops } from '../noise-path.ts';
import type { Stage } from '../sampler.ts';

export interface SigmaPoint {
  /** Factor from x to the latent z. */
  readonly signal: number;
  readonly sigma: number;
}

/** The points where steps begin, and the end of the chain, which has no noise: there z is x, and the clean latent. */
export function sigmaPoints(path: NoisePath, { levels }: Stops): SigmaPoint[] {
  return levels.map((level) => ({
    signal: path.signal(level),
    sigma: path.noise(level) / path.signal(level),
  }));
}

/** The stage that scales standard normal noise to the first stop; none where it fits already. */
export function scaledStart({ startScale, timesteps }: Stops): Stage[] {
  if (startScale === 1) return [];
  return [
    linearStage({
      step: 0,
      timestep: timesteps[0],
      state: ['latent'],
      next: { latent: { latent: startScale } },
    }),
  ];
}
