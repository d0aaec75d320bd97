/**
 * @file Reversible Heun: a method of second order with an exact inverse, at one network call per step.
 *
 * A pair (y, ŷ) walks from stop to stop; the network sees ŷ, and the result is y. With v = v(ŷ, s) and h = s' - s:
 *
 *     ŷ' = 2·y - ŷ + h·v        y' = y + h/2·(v + v')
 *
 * Here the second half of a step and the first half of the next one are one, so that the latent beside ŷ is `y + h/2·v`, and a stage is
 * two lifts of the pair:
 *
 *     y ← y + (h₋ + h)/2·v(ŷ, s)        ŷ ← 2·y - ŷ
 *
 * with h₋ the step before; at both ends there is one half alone, so that the last network call is at the clean end.
 *
 * The pair drifts apart where the network contracts or expands fast: strong classifier-free guidance is worse here than Euler's method.
 *
 * Reference: Kidger, Foster, Li, Lyons 2021, "Efficient and Accurate Gradients for Neural SDEs", algorithm 1, without noise.
 */
import { type Lift, liftGrids, snap } from '../lift-grid.ts';
import { liftStage, startingPair } from '../lift-stage.ts';
import { type NoisePath, type StopOptions, timestepAt } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt } from '../sampler.ts';

export interface ReversibleHeunOptions extends Pick<StopOptions, 'sigmas'> {
  /** Step that the chain begins with: half a step is taken at its beginning. Default 0. */
  readonly firstStep?: number;
}

/** Places of the pair in the state: what the network sees, and what becomes the result. */
const [SEEN, RESULT] = [0, 1] as const;

/**
 * The reversible Heun sampler of a rectified flow. One network call per step and one more; it has a gradient, and an inverse that is
 * exact bit for bit, because latents are multiples of a spacing far finer than float32 (lift-grid.ts).
 */
export function reversibleHeun(
  path: NoisePath,
  steps: number,
  { sigmas, firstStep = 0 }: ReversibleHeunOptions = {},
): Sampler {
  const stops = path.stops(steps, { sigmas });
  const { timesteps, levels } = stops;
  const stepAt = (i: number) => (i < firstStep || i >= steps ? 0 : levels[i + 1] - levels[i]);
  const stages = levels.slice(firstStep).map((level, k) => {
    const i = firstStep + k;
    const timestep = timesteps[i] ?? timestepAt(path, level);
    const weight = (stepAt(i - 1) + stepAt(i)) / 2;
    const lifts: Lift[] = [
      { target: RESULT, scale: 1, weight, timestep },
      { target: SEEN, scale: -1, weight: 2 },
    ];
    return { step: Math.min(i, steps - 1), timestep, lifts };
  });
  const grids = liftGrids(stages.flatMap(({ lifts }) => lifts));

  return createSampler({
    name: 'reversible-heun',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: stages.map((stage) => liftStage(stage, grids)),
    initial(noise, startIndex = 0) {
      const pair = startingPair('reversible-heun', noise);
      const ahead = stages.find(({ step }) => step >= startIndex);
      return pair.map((latent, place) => {
        const lift = ahead?.lifts.find(({ target }) => target === place);
        return snap(latent.slice(), lift && grids?.get(lift)?.before);
      });
    },
    initialPullback: ([seen, result]) => seen.map((value, i) => value + result[i]),
    finalLatents: (state) => [state[RESULT]],
    finalPullback: ([cotangent]) => [new Float64Array(cotangent.length), cotangent],
  });
}
