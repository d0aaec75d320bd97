/** @file What a run spends, against its budget. */
import type { Budget, BudgetUnit } from '../../request/budget.ts';
import type { ProgramMeter } from '../../runtime/program-cache.ts';
import type { Stateful } from '../../state.ts';

/** What a run has spent of its budget, in the budget's unit; of a run without one, nothing is counted. */
export interface Spending extends Stateful<SpendingState> {
  /** Spent so far. */
  spent(): number;
  /** What is left of the budget; infinity without one. */
  left(): number;
  /** Share of the budget that is spent, 0 to 1; 0 without one. */
  share(): number;
  /** Call it when the image of an iteration exists. */
  note(): void;
  /** Whether, when the last image was noted, the budget did not hold another iteration as dear as the dearest so far. */
  isOver(): boolean;
  /** Index of the last iteration, as far as can be told when that of `iteration` was noted. */
  lastIteration(iteration: number, wanted: number): number;
}

interface SpendingState {
  readonly spent: number;
  readonly noted: number;
  readonly dearest: number;
  readonly over: boolean;
}

/** @param counters what the run has spent since its start, in each unit */
export function createSpending(
  budget: Budget | undefined,
  counters: Readonly<Record<BudgetUnit, () => number>>,
): Spending {
  const { limit, unit } = budget ?? { limit: Number.POSITIVE_INFINITY, unit: 'calls' };
  /** What was spent before the run was taken up again, beyond what its counters know of. */
  let before = 0;
  let noted = 0;
  let dearest = 0;
  let over = false;
  const spent = () => before + counters[unit]();
  return {
    spent,
    left: () => limit - spent(),
    share: () => (budget ? Math.min(1, spent() / limit) : 0),
    note() {
      const now = spent();
      dearest = Math.max(dearest, now - noted);
      noted = now;
      over = now + dearest > limit;
    },
    isOver: () => over,
    lastIteration(iteration, wanted) {
      if (!budget || iteration < 0) return wanted;
      const fitting = dearest > 0 ? Math.floor((limit - noted) / dearest) : wanted;
      return Math.min(wanted, iteration + Math.max(0, fitting));
    },
    state: () => ({ spent: spent(), noted, dearest, over }),
    restore(state) {
      ({ noted, dearest, over } = state);
      before = 0;
      before = state.spent - spent();
    },
  };
}

/**
 * Counts the FLOPs of all networks from now on. Where a budget is made of them, results of texts are forgotten first, so that
 * a run costs the same whatever ran before it. Of runs at the same time on one pipeline each counts the FLOPs of all.
 */
export function flopsSince(meter: ProgramMeter, budget: Budget | undefined): () => number {
  if (budget?.unit !== 'flops') return () => 0;
  meter.forgetResults();
  const start = meter.flops;
  return () => meter.flops - start;
}
