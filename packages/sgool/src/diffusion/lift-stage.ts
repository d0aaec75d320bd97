/**
 * @file A stage that changes one of a pair of latents at a time, by what the other one says, so that it can be undone: what EDICT and
 * reversible Heun are made of.
 */
import type { Denoiser } from './denoiser.ts';
import { checkedPrediction, checkedPullback } from './denoiser.ts';
import { type Lift, type LiftGrids, snap } from './lift-grid.ts';
import type { Latents, Stage } from './sampler.ts';

/** Lifts of a pair, in their order. */
export interface LiftStage {
  readonly step: number;
  readonly timestep: number;
  /** At most one lift goes through the network, and it comes first. */
  readonly lifts: readonly Lift[];
}

/** The other latent of the pair. */
export const other = (latent: 0 | 1): 0 | 1 => (latent === 0 ? 1 : 0);

/** The pair that a sampler begins with: twice the one latent, or the two that it is given. */
export function startingPair(sampler: string, noise: Float64Array | Latents): Latents {
  const pair = noise instanceof Float64Array ? [noise, noise] : noise;
  if (pair.length === 2) return pair;
  throw new RangeError(`${sampler}: starts from one latent or two, got ${pair.length}`);
}

/** Makes the stage; it can be inverted where there are grids. */
export function liftStage({ step, timestep, lifts }: LiftStage, grids: LiftGrids | undefined): Stage {
  /** f(source) of a lift. The source is the same before and after it, which is what makes it invertible. */
  const sourceOf = ({ target, timestep }: Lift, state: Latents, denoiser: Denoiser) => {
    const source = state[other(target)];
    return timestep === undefined ? source : checkedPrediction(denoiser, source, timestep);
  };

  const stage: Stage = {
    step,
    timestep,
    callsNetwork: lifts.some((lift) => lift.timestep !== undefined),
    async run(state, denoiser) {
      const next = [...state];
      for (const lift of lifts) {
        const { target, scale, weight } = lift;
        const source = await sourceOf(lift, next, denoiser);
        const lifted = next[target].map((value, i) => scale * value + weight * source[i]);
        next[target] = snap(lifted, grids?.get(lift)?.after);
      }
      return next;
    },
    async pullback(state, cotangent, denoiser) {
      const before = [...cotangent];
      for (const { target, scale, weight, timestep } of lifts.toReversed()) {
        const source = other(target);
        const weighted = before[target].map((value) => weight * value);
        // The network lift comes first in its stage, so its source is still the one in `state`.
        const through =
          timestep === undefined
            ? weighted
            : await checkedPullback(denoiser, state[source], timestep, weighted);
        before[source] = before[source].map((value, i) => value + through[i]);
        before[target] = before[target].map((value) => scale * value);
      }
      return before;
    },
  };
  if (grids) {
    stage.invert = async (state, denoiser) => {
      const before = [...state];
      for (const lift of lifts.toReversed()) {
        const { target, scale, weight } = lift;
        const source = await sourceOf(lift, before, denoiser);
        const lowered = before[target].map((value, i) => (value - weight * source[i]) / scale);
        before[target] = snap(lowered, grids.get(lift)?.before);
      }
      return before;
    };
  }
  return stage;
}
