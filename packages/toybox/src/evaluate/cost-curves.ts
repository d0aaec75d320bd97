/** @file From traces to curves: what somebody holds in hands who stops after so much work. */

import { UserError } from 'sgool';
import { mean } from 'sgool/evaluate';
import type { Trace, TracePoint } from './history.ts';

/**
 * What a pullback costs, in evaluations forward: the network is run forward once more inside it, and then back, which is two
 * products for one. At Stable Diffusion's size 2.6 (256 pixels) to 3.4 (512) were measured.
 */
export const PULLBACK_COST = 3;

/** In evaluations forward. */
export function costOf({ forward, pullback }: Pick<TracePoint, 'forward' | 'pullback'>): number {
  return forward + PULLBACK_COST * pullback;
}

/** The image with the highest score of CLIP A, which guides, among those that are there at a cost; none where there is none. */
export function bestWithin({ points }: Pick<Trace, 'points'>, cost: number): TracePoint | undefined {
  let best: TracePoint | undefined;
  for (const point of points) {
    if (costOf(point) > cost) break;
    if (!best || point.clip.A! > best.clip.A!) best = point;
  }
  return best;
}

/** The work that a trace took until cost was used up. */
export function spentWithin({ points }: Pick<Trace, 'points'>, cost: number): TracePoint {
  return points.findLast((point) => costOf(point) <= cost) ?? points[0];
}

/** The values that are charted and compared. */
export const VALUES = {
  clipA: ({ clip }: TracePoint) => clip.A!,
  clipB: ({ clip }: TracePoint) => clip.B!,
  judge: ({ judge }: TracePoint) => judge.score,
  correct: ({ judge }: TracePoint) => Number(judge.correct),
} as const;
export type ValueName = keyof typeof VALUES;

/** Values of the best images within a cost, prompt by prompt. @throws UserError where a trace has none yet */
export function valuesWithin(traces: readonly Trace[], cost: number, name: ValueName): number[] {
  return traces.map((trace) => {
    const best = bestWithin(trace, cost);
    if (!best) {
      throw new UserError(
        `cost: ${trace.method} has no image within ${cost} evaluations; give a larger --budget`,
      );
    }
    return VALUES[name](best);
  });
}

/** Means over the prompts of a variant, of the best images within a cost. */
export function meansWithin(traces: readonly Trace[], cost: number): Record<ValueName, number> {
  const average = (name: ValueName) => mean(valuesWithin(traces, cost, name));
  return {
    clipA: average('clipA'),
    clipB: average('clipB'),
    judge: average('judge'),
    correct: average('correct'),
  };
}

/** Means over the prompts of a variant at one cost. */
export type CurvePoint = { readonly cost: number } & Readonly<Record<ValueName, number>>;

const POINTS_PER_DECADE = 20;

/** From the cost of the plain image to that of the longest trace, evenly in factors. */
export function curveOf(traces: readonly Trace[]): CurvePoint[] {
  const first = Math.max(...traces.map(({ points }) => costOf(points[0])));
  const last = Math.max(...traces.map(({ points }) => costOf(points.at(-1)!)));
  const count = Math.ceil(POINTS_PER_DECADE * Math.log10(last / first));
  return Array.from({ length: count + 1 }, (_, k) => {
    // Not a hair below the whole number that it stands for.
    const cost = k === count ? last : Math.ceil(first * (last / first) ** (k / count));
    return { cost, ...meansWithin(traces, cost) };
  });
}
