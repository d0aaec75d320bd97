/** @file The axes of a chart: the range of the values and what is written beside it. */

/** The range of an axis and its ticks. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  /** Equal distances mean equal factors. Default false. */
  readonly logarithmic?: boolean;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** Where a value lies on its axis, from 0 to 1. */
export function positionOn({ low, high, logarithmic }: Axis, value: number): number {
  return logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** A tick at every multiple of `step` around the values. */
export function steppedAxis(values: readonly number[], step: number): Axis {
  const [from, to] = [Math.floor(Math.min(...values) / step), Math.ceil(Math.max(...values) / step)];
  const ticks = Array.from({ length: to - from + 1 }, (_, k) => {
    const at = (from + k) * step;
    return { at, text: String(Number(at.toFixed(2))) };
  });
  return { low: from * step, high: to * step, ticks };
}

/** A logarithmic axis from the lowest to the highest value with a tick at each power of ten. */
export function decadeAxis(values: readonly number[]): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const first = Math.ceil(Math.log10(low));
  const count = Math.max(0, Math.floor(Math.log10(high)) - first + 1);
  const decades = Array.from({ length: count }, (_, k) => 10 ** (first + k));
  return {
    low,
    high,
    logarithmic: true,
    ticks: decades.map((at) => ({ at, text: at.toLocaleString('en') })),
  };
}

/** Values that span more than this factor are drawn on a logarithmic axis. */
const WIDE = 20;

/** An axis that ends at the lowest and the highest value, both written; logarithmic where they are far apart. */
export function tightAxis(values: readonly number[]): Axis {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const ticks = [high, low].map((at) => ({ at, text: shortNumber(at) }));
  return { low, high, ticks, logarithmic: low > 0 && high / low > WIDE };
}

/** Three significant digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3)));
}
