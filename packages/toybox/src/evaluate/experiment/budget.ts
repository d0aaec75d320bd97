/** @file Settings with which an image costs a budget. */
import { EQUAL_COST } from 'sgool/evaluate';
import type { Contender, Given } from './plan.ts';

/** Floating-point operations of one image with these settings, before it is made. */
export type WorkOf = (method: Contender['method'], settings: Given) => Promise<number>;

/** A candidate that costs a budget. */
export interface Fitted {
  readonly settings: Given;
  /** In plain generations. */
  readonly cost: number;
}

/**
 * What a candidate costs by the value of the setting that spends the budget: a line through two values, as each further iteration
 * or step costs the same.
 */
export async function costLine(
  { method, spends, settings }: Contender,
  candidate: Given,
  workOf: WorkOf,
): Promise<{ readonly first: number; readonly each: number }> {
  const given = { ...settings, ...candidate };
  if (spends === undefined) return { first: await workOf(method, given), each: 0 };
  const first = await workOf(method, { ...given, [spends]: 1 });
  return { first, each: (await workOf(method, { ...given, [spends]: 2 })) - first };
}

/**
 * The settings whose cost is nearest to the budget; undefined where even that is not equal to it: the candidate cannot be had at
 * this budget.
 *
 * @param line of `costLine`, in operations
 * @param plain operations of one plain generation
 * @param budget in plain generations
 */
export function fitted(
  { spends, settings }: Contender,
  candidate: Given,
  line: { readonly first: number; readonly each: number },
  plain: number,
  budget: number,
): Fitted | undefined {
  const given = { ...settings, ...candidate };
  if (spends === undefined) return { settings: given, cost: line.first / plain };
  const costOf = (value: number) => (line.first + (value - 1) * line.each) / plain;
  const below = Math.max(1, Math.floor(1 + (budget * plain - line.first) / line.each));
  const [value] = [below, below + 1].toSorted(
    (a, b) => distance(costOf(a), budget) - distance(costOf(b), budget),
  );
  const cost = costOf(value);
  if (Math.max(cost / budget, budget / cost) > EQUAL_COST) return undefined;
  return { settings: { ...given, [spends]: value }, cost };
}

const distance = (cost: number, budget: number) => Math.abs(Math.log(cost / budget));
