/** @file Figures as a report prints them. */
import type { Interval } from '../statistics/bootstrap.ts';

const MINUS = '\u2212';

/** A number with a fixed count of decimals; thousands are set apart. */
export function quantity(value: number, digits: number): string {
  const text = Math.abs(value).toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return value < 0 && Number(text.replaceAll(',', '')) !== 0 ? `${MINUS}${text}` : text;
}

/** With its sign, plus included. */
export function signedQuantity(value: number, digits: number): string {
  const text = quantity(value, digits);
  return value > 0 && Number(text.replaceAll(',', '')) !== 0 ? `+${text}` : text;
}

/** `0.61 to 0.69`; `none` where there is no interval. */
export function intervalText(interval: Interval | null, digits: number): string {
  return interval === null
    ? 'none'
    : `${quantity(interval.low, digits)} to ${quantity(interval.high, digits)}`;
}

/** `< 0.001`, `= 0.034`. */
export function pText(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(3)}`;
}

/** `0.04`, `340`, `1.1 G`: three digits and a unit of 1000. */
export function withUnit(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T', ' P', ' E'];
  let [rest, unit] = [value, 0];
  while (Math.abs(rest) >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${Number(rest.toPrecision(3))}${units[unit]}`;
}

/** `1.3`, `12`. */
export function shortRatio(ratio: number): string {
  return ratio < 9.95 ? ratio.toFixed(1) : quantity(ratio, 0);
}

/** Beyond this many prompts the number says only that there is nothing to find. */
const MOST_NEEDED = 100_000;

/** How many prompts a difference needs to be seen: `177`, or that they are too many to count. */
export const neededText = (prompts: number): string =>
  prompts > MOST_NEEDED ? `more than ${quantity(MOST_NEEDED, 0)}` : quantity(prompts, 0);
