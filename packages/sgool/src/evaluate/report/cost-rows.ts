/** @file What one image of each method costs. */
import { mean } from '../../numbers.ts';
import type { Manifest } from '../cells/manifest.ts';
import type { Evaluation } from '../cells/run-folder.ts';
import type { CostRow } from './summary.ts';

/** Costs within this factor of each other are called equal. */
export const EQUAL_COST = 1.25;

/** What the images of each method have cost; none for a method without a finished one. */
export function costRows({ methods, reference }: Manifest, cells: Evaluation['cells']): CostRow[] {
  const rows = methods.flatMap(({ label }) => {
    const costs = [
      ...new Map(
        cells.flatMap(({ id, label: one, record }) =>
          one === label && record?.status === 'done' ? [[id, record.cost] as const] : [],
        ),
      ).values(),
    ];
    if (costs.length === 0) return [];
    const of = (key: 'forward' | 'pullback' | 'flops' | 'seconds') => mean(costs.map((cost) => cost[key]));
    return {
      method: label,
      images: costs.length,
      forward: of('forward'),
      pullback: of('pullback'),
      flops: of('flops'),
      seconds: of('seconds'),
    };
  });
  const plain = rows.find(({ method }) => method === reference);
  const over = (a: number, b: number | undefined) => (b !== undefined && b > 0 ? a / b : null);
  return rows.map((row) => ({
    ...row,
    relative: {
      calls: over(row.forward + row.pullback, plain && plain.forward + plain.pullback),
      flops: over(row.flops, plain?.flops),
      seconds: over(row.seconds, plain?.seconds),
    },
  }));
}

/** Cost by FLOPs of all networks; by network calls where no FLOPs were counted. */
export function workOf({
  flops,
  forward,
  pullback,
}: Pick<CostRow, 'flops' | 'forward' | 'pullback'>): number {
  return flops > 0 ? flops : forward + pullback;
}
