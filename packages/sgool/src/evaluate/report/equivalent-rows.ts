/** @file Equivalent N of each method, over its cost. */
import { mean } from '../../numbers.ts';
import type { Manifest, ScoreInfo } from '../cells/manifest.ts';
import { equivalentN, equivalentNInterval, MOST_N } from '../statistics/equivalent-n.ts';
import { pairsOf, placeOf, type Scope, scoreOf } from './results.ts';
import type { CostRow, EquivalentRow } from './summary.ts';

/** Equivalent N of each method against the plain images of the reference; none where these were guided or selected. */
export function equivalentRows(
  scope: Scope,
  { methods, reference }: Manifest,
  score: ScoreInfo,
  cost: readonly CostRow[],
): EquivalentRow[] {
  const plain = methods.find(({ label }) => label === reference);
  if (plain === undefined || plain.guides.length + plain.selects.length > 0) return [];
  const sign = score.higherIsBetter ? 1 : -1;
  const value = (cell: Parameters<typeof scoreOf>[0]) => sign * (scoreOf(cell, score.name) ?? Number.NaN);
  return methods.flatMap(({ label }) => {
    if (label === reference) return [];
    // The same prompts and seeds for both.
    const pairs = pairsOf(scope, reference, label, score.name).map((seeds) =>
      seeds.map(({ before, after }) => [value(before), value(after)] as const),
    );
    if (pairs.length === 0) return [];
    const found = equivalentN(
      pairs.map((seeds) => seeds.map(([before]) => before)),
      mean(pairs.map((seeds) => mean(seeds.map(([, after]) => after)))),
    );
    if (found === undefined) return [];
    const n = Math.min(found.n, MOST_N);
    const row = cost.find(({ method }) => method === label);
    const relative = row?.relative.flops ?? row?.relative.calls ?? null;
    const over = (count: number) => (relative === null || relative === 0 ? null : count / relative);
    const interval = pairs.length < 2 ? null : (equivalentNInterval(pairs) ?? null);
    const [low, high] = interval === null ? [null, null] : [over(interval.low), over(interval.high)];
    return {
      ...placeOf(scope),
      method: label,
      score: score.name,
      n,
      isAtLeast: !Number.isFinite(found.n),
      interval,
      cost: relative,
      perCost: over(n),
      perCostInterval: low === null || high === null ? null : { low, high },
      plain: { mean: sign * found.mean, deviation: found.deviation },
    };
  });
}
