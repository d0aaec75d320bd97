/** @file What the samplers share that are written for `x = z / signal`, with noise levels σ = noise / signal. */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, Stops } from '../noise-path.ts';
import type { Stage } from '../sampler.ts';

export interface SigmaPoint {
  /** Factor from x to the latent z; at the end of the chain what makes the result, so that it holds x. */
  readonly signal: number;
  readonly sigma: number;
}

/** The points where steps begin, and the end of the chain, whose result is x itself. */
export function sigmaPoints(path: NoisePath, { levels, endScale }: Stops): SigmaPoint[] {
  return levels.map((level, i) => ({
    signal: path.signal(level) * (i === levels.length - 1 ? endScale : 1),
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
