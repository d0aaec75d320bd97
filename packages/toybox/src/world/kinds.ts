/** @file The world's sizes, patterns and backgrounds, and its paints; kinds, colours and relations are those of the judge. */

import type { Colour, Kind } from 'sgool/evaluate';
import type { Rgb } from './raster.ts';

/** The flat paint of each colour, 0..255. */
export const PAINT: Readonly<Record<Colour, Rgb>> = {
  red: [218, 32, 40],
  orange: [248, 132, 18],
  yellow: [252, 218, 38],
  green: [44, 160, 62],
  blue: [40, 96, 226],
  purple: [130, 56, 180],
  pink: [250, 138, 188],
  white: [250, 250, 248],
};

export const SIZES = ['small', 'medium', 'large'] as const;
export type Size = (typeof SIZES)[number];

/** Longer side of a thing of each size, as a share of the image's side (40, 54 and 72 of 128 pixels). */
export const SIDE: Readonly<Record<Size, number>> = { small: 0.31, medium: 0.42, large: 0.56 };

export const PATTERNS = ['plain', 'striped', 'spotted'] as const;
export type Pattern = (typeof PATTERNS)[number];

export const BACKGROUNDS = ['plain', 'grass', 'sea', 'night', 'room'] as const;
export type BackgroundKind = (typeof BACKGROUNDS)[number];

/** Things that are hollow when something is inside them. */
export const CONTAINERS: readonly Kind[] = ['house', 'heart', 'balloon'];

/** Things with a face, which attract fixations. */
export const WITH_FACE: readonly Kind[] = ['cat', 'bird', 'fish', 'mushroom', 'star'];
