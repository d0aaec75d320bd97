/**
 * @file EDICT: a pair of latents that denoise each other, so that every step has an exact inverse.
 *
 * A step is a sequence of lifts, `target ← scale·target + weight·f(source)` with target ≠ source and f either the network
 * or the identity, and A and B the coefficients of the path's step (DDIM's):
 *
 *     x ← A·x + B·f(y, t)        the pair takes turns (odd steps: y first)
 *     y ← A·y + B·f(x, t)
 *     x ← p·x + (1-p)·y          mixing, always x first
 *     y ← p·y + (1-p)·x
 *
 * Every lift can be undone because its source is still there afterwards.
 *
 * Reference: Wallace, Gokul, Naik 2023, "EDICT: Exact Diffusion Inversion via Coupled Transformations", equations 14-15.
 * That the pair takes turns is in the published code, not in the equations.
 */
import { UserError } from '../../errors.ts';
import { type Lift, liftGrids, snap } from '../lift-grid.ts';
import { type LiftStage, liftStage, other, startingPair } from '../lift-stage.ts';
import { endOf, type NoisePath, type StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt } from '../sampler.ts';

/** Options of the EDICT sampler. */
export interface EdictOptions extends Pick<StopOptions, 'stepEnds'> {
  /** p, the share of its own that each latent keeps when mixing: above 0.5, up to 1 (no mixing). Default 0.93. */
  mixingWeight?: number;
  /** Whether odd steps begin with y. Default true. */
  alternate?: boolean;
  /** Step from which odd and even are counted, for chains that begin later. Default 0. */
  firstStep?: number;
  /**
   * Whether a step that changes nothing (A = 1, B = 0: the last one with steps_offset 0 and set_alpha_to_one false) makes no
   * network calls. The result is the same bit for bit. Default true.
   */
  skipIdentity?: boolean;
  /** Which latents are the result: the pair, or x alone. Default both. */
  output?: 'both' | 'x';
}

/**
 * The EDICT sampler with `steps` steps, two network calls each.
 *
 * `initial` makes the pair from one latent: both start as the given noise. The inverse is exact bit for bit: latents are multiples of a
 * spacing far finer than float32 (lift-grid.ts), so the network sees the same bits again. Where float64 has no room for that
 * (on Stable Diffusion's schedule above 129 steps at p = 0.93, 92 at 0.9, 256 at 0.97) the sampler is not `invertible`.
 *
 * @throws UserError if `mixingWeight` is out of range.
 */
export function edict(
  path: NoisePath,
  steps: number,
  {
    mixingWeight = 0.93,
    alternate = true,
    firstStep = 0,
    skipIdentity = true,
    output = 'both',
    stepEnds,
  }: EdictOptions = {},
): Sampler {
  if (!(mixingWeight > 0.5 && mixingWeight <= 1)) {
    throw new UserError(`edict: mixingWeight must be above 0.5 and at most 1, got ${mixingWeight}`);
  }
  const stops = path.stops(steps, { rule: 'edict', stepEnds });
  const { timesteps, levels } = stops;
  const stages = timesteps.flatMap((timestep, step): LiftStage[] => {
    const { latent: scale, prediction: weight } = path.step(levels[step], endOf(stops, step));
    const leader = alternate && Math.abs(step - firstStep) % 2 === 1 ? 1 : 0;
    const first: Lift = { target: leader, scale, weight, timestep };
    const second: Lift = { target: other(leader), scale, weight, timestep };
    const mixing = mixingLifts(mixingWeight);
    if (skipIdentity && scale === 1 && weight === 0) return [{ step, timestep, lifts: mixing }];
    return [
      { step, timestep, lifts: [first] },
      { step, timestep, lifts: [second, ...mixing] },
    ];
  });
  const grids = liftGrids(stages.flatMap(({ lifts }) => lifts));

  return createSampler({
    name: 'edict',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: stages.map((stage) => liftStage(stage, grids)),
    initial(noise, startIndex = 0) {
      const pair = startingPair('edict', noise);
      const [next] = stages.filter(({ step }) => step >= startIndex).flatMap(({ lifts }) => lifts);
      const grid = next && grids?.get(next)?.before;
      return pair.map((latent) => snap(latent.slice(), grid));
    },
    initialPullback: ([x, y]) => x.map((value, i) => value + y[i]),
    finalLatents: ([x, y]) => (output === 'x' ? [x] : [x, y]),
    finalPullback: ([x, y]) => [x, y ?? new Float64Array(x.length)],
  });
}

function mixingLifts(mixingWeight: number): Lift[] {
  if (mixingWeight === 1) return [];
  return ([0, 1] as const).map((target) => ({ target, scale: mixingWeight, weight: 1 - mixingWeight }));
}
