/** @file Ticks of a linear axis: round values, no more than their labels have room for. */
import { quantity } from '../format.ts';
import { widthOf } from './compose.ts';

export interface Ticks {
  readonly values: readonly number[];
  text(value: number): string;
}

/** Room between two labels in pixels. */
const GAP = 14;

/**
 * Multiples of 1, 2 or 5 times a power of ten within the axis, as many as there is room for.
 *
 * @param width of the axis in pixels
 */
export function ticksOf([low, high]: readonly [number, number], width: number): Ticks {
  for (let exponent = Math.floor(Math.log10(high - low)) - 2; ; exponent++) {
    for (const digit of [1, 2, 5]) {
      const step = digit * 10 ** exponent;
      const [from, to] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
      const text = (value: number) => quantity(value, Math.max(0, -exponent));
      const room = Math.max(widthOf(text(from * step)), widthOf(text(to * step))) + GAP;
      if ((width * step) / (high - low) < room) continue;
      return {
        values: Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => (from + i) * step),
        text,
      };
    }
  }
}
