/** @file What the samplers share that integrate the path's differential equation, or are written for σ = noise / signal. */
import { linearStage } from '../linear-stage.ts';
import type { Combination, NoisePath, Stops } from '../noise-path.ts';
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

/** A point of the path's differential equation. */
export interface OdePoint {
  /** Factor from y to the latent z. */
  readonly scale: number;
  readonly time: number;
  readonly slope: Combination;
}

/** The points where steps begin, and the end of the chain. */
export function odePoints({ ode }: NoisePath, { levels }: Stops): OdePoint[] {
  return levels.map((level) => odePoint(ode, level));
}

export const odePoint = (ode: NoisePath['ode'], level: number): OdePoint => ({
  scale: ode.scale(level),
  time: ode.time(level),
  slope: ode.slope(level),
});

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
