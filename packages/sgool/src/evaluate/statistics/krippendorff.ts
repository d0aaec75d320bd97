/** @file Agreement of raters. */

/**
 * Krippendorff's alpha for names without an order, whoever has answered: 1 for full agreement, 0 for what chance gives, below 0 for
 * less than that. A unit with fewer than two answers says nothing.
 *
 * Reference: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section C.
 *
 * @param units the answers about each unit
 * @returns undefined where no unit has two answers, or all answers are the same
 */
export function krippendorffAlpha(units: readonly (readonly string[])[]): number | undefined {
  const totals = new Map<string, number>();
  let disagreed = 0;
  for (const unit of units) {
    if (unit.length < 2) continue;
    const counts = new Map<string, number>();
    for (const answer of unit) counts.set(answer, (counts.get(answer) ?? 0) + 1);
    for (const [answer, count] of counts) {
      totals.set(answer, (totals.get(answer) ?? 0) + count);
      disagreed += (count * (unit.length - count)) / (unit.length - 1);
    }
  }
  const all = [...totals.values()].reduce((total, count) => total + count, 0);
  let expected = 0;
  for (const count of totals.values()) expected += count * (all - count);
  return expected === 0 ? undefined : 1 - ((all - 1) * disagreed) / expected;
}
