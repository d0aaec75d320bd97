/** @file From traces to curves: the best image so far as a function of cost. */

import { UserError } from 'sgool';
import { mean } from 'sgool/evaluate';
import type { Trace, TracePoint } from './history.ts';

/**
 * The cost of a pullback in forward evaluations: it runs the network forward once more and then backward, which takes up to two
 * products for each one. At Stable Diffusion's size 2.6 (256 pixels) to 3.4 (512) were measured.
 */
export const PULLBACK_COST = 3;

/** The cost of a run so far, in forward evaluations. */
export function costOf({ forward, pullback }: Pick<TracePoint, 'forward' | 'pullback'>): number {
  return forward + PULLBACK_COST * pullback;
}

/** The image with the highest score of CLIP A, which guides, among those within a cost; undefined where there is none. */
export function bestWithin({ points }: Pick<Trace, 'points'>, cost: number): TracePoint | undefined {
  let best: TracePoint | undefined;
  for (const point of points) {
    if (costOf(point) > cost) break;
    if (!best || VALUES.clipA(point) > VALUES.clipA(best)) best = point;
  }
  return best;
}

/** The last point of a trace within a cost. */
export function spentWithin({ points }: Pick<Trace, 'points'>, cost: number): TracePoint {
  return points.findLast((point) => costOf(point) <= cost) ?? points[0];
}

/** The values that are charted and compared. */
export const VALUES = {
  clipA: ({ clip }: TracePoint) => clip.A ?? Number.NaN,
  clipB: ({ clip }: TracePoint) => clip.B ?? Number.NaN,
  judge: ({ judge }: TracePoint) => judge.score,
  correct: ({ judge }: TracePoint) => Number(judge.correct),
} as const;
export type ValueName = keyof typeof VALUES;

/** Values of the best images within a cost, prompt by prompt. @throws UserError where a trace has no image within it */
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

/** From the cost of the plain image to that of the longest trace, at equal factors. */
export function curveOf(traces: readonly Trace[]): CurvePoint[] {
  const first = Math.max(...traces.map(({ points }) => costOf(points[0])));
  const last = Math.max(...traces.map(({ points }) => costOf(points[points.length - 1])));
  const count = Math.ceil(POINTS_PER_DECADE * Math.log10(last / first));
  return Array.from({ length: count + 1 }, (_, k) => {
    // Rounded up: a cost just below a whole number would miss the image of that cost.
    const cost = k === count ? last : Math.ceil(first * (last / first) ** (k / count));
    return { cost, ...meansWithin(traces, cost) };
  });
}
