/** @file The colour map of heat maps. */

import { clamp } from '../numbers.ts';
import type { Colour } from './image.ts';

/** Nine even steps of the colour map "inferno" (Smith and van der Walt, CC0): even steps of lightness, dark to light. */
const INFERNO: readonly Colour[] = [
  [0, 0, 4],
  [31, 12, 72],
  [85, 15, 109],
  [136, 34, 106],
  [186, 54, 85],
  [227, 89, 51],
  [249, 140, 10],
  [249, 201, 50],
  [252, 255, 164],
];

/** Interpolates between two colours; `share` 0 gives the first, 1 the second. */
export function mix(first: Colour, second: Colour, share: number): Colour {
  const part = (i: 0 | 1 | 2) => first[i] + (second[i] - first[i]) * share;
  return [part(0), part(1), part(2)];
}

/** The colour of a value: 0 is black, then violet and orange, 1 is pale yellow. The value is clamped to [0, 1]. */
export function heatColour(value: number): Colour {
  const place = clamp(value, 0, 1) * (INFERNO.length - 1);
  const step = Math.min(Math.floor(place), INFERNO.length - 2);
  return mix(INFERNO[step], INFERNO[step + 1], place - step);
}
