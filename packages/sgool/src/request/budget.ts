/** @file What a run may spend: network calls, floating-point operations or seconds. */
import { z } from 'zod';

/** What a budget is counted in: network calls forward and back, floating-point operations of all networks, wall time. */
export const BUDGET_UNITS = ['calls', 'flops', 's'] as const;
export type BudgetUnit = (typeof BUDGET_UNITS)[number];

/** A limit of what a run spends. */
export interface Budget {
  /** Above 0. */
  readonly limit: number;
  readonly unit: BudgetUnit;
}

const FORM = /^\s*(\d+(?:\.\d*)?(?:e\+?\d+)?)\s*(calls|flops|s)\s*$/i;

/** `640calls`, `2e12flops` or `30s`; undefined for a text that is none. */
export function readBudget(text: string): Budget | undefined {
  const [, number, name] = FORM.exec(text) ?? [];
  const limit = Number(number);
  const unit = BUDGET_UNITS.find((one) => one === name?.toLowerCase());
  return unit !== undefined && limit > 0 && Number.isFinite(limit) ? { limit, unit } : undefined;
}

/** The schema of a budget as users write it; empty for no limit. */
export const budgetText = z
  .string()
  .refine(
    (text) => text.trim() === '' || readBudget(text) !== undefined,
    'must be a number of network calls, FLOPs or seconds, such as 640calls, 2e12flops or 30s',
  );
