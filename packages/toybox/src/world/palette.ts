/** @file The paints besides the eight colours: tones of a colour, fixed inks, backgrounds. */

import type { Colour } from 'sgool/evaluate';
import { PAINT } from './kinds.ts';
import type { Rgb } from './raster.ts';
import type { Ink } from './shapes.ts';

/** Inks that do not depend on the thing's colour. */
const FIXED: Readonly<Partial<Record<Ink, Rgb>>> = {
  dark: [42, 36, 48],
  brown: [98, 66, 46],
  stem: [62, 92, 66],
  cream: [240, 226, 200],
  glass: [196, 214, 220],
  amber: [222, 170, 70],
  hollow: [168, 164, 160],
};

const mix = (a: Rgb, b: Rgb, t: number): Rgb => [
  a[0] + t * (b[0] - a[0]),
  a[1] + t * (b[1] - a[1]),
  a[2] + t * (b[2] - a[2]),
];

const byColour = new Map<Colour, Readonly<Record<Ink | 'rim' | 'second', Rgb>>>();

/** The paint of every ink for a thing of this colour; `second` is the other colour of stripes and spots. */
export function inksOf(colour: Colour): Readonly<Record<Ink | 'rim' | 'second', Rgb>> {
  let inks = byColour.get(colour);
  if (inks === undefined) {
    const main = PAINT[colour];
    inks = {
      ...(FIXED as Record<Ink, Rgb>),
      main,
      shade: mix(main, [24, 18, 36], colour === 'white' ? 0.2 : 0.28),
      tint: mix(main, [255, 255, 255], 0.55),
      rim: mix(main, [24, 18, 36], 0.62),
      second: mix(main, [24, 18, 36], colour === 'white' ? 0.42 : 0.5),
    };
    byColour.set(colour, inks);
  }
  return inks;
}

/** Muted tints for plain backgrounds: all eight colours stand out against each. */
export const PLAIN_TINTS: readonly Rgb[] = [
  [190, 188, 184],
  [168, 192, 206],
  [180, 198, 168],
  [212, 196, 170],
  [192, 184, 206],
];

/** Upper and lower part of the other backgrounds. */
export const SCENERY = {
  grass: { upper: [178, 212, 228], lower: [150, 184, 112] },
  sea: { upper: [206, 220, 222], lower: [96, 152, 172] },
  night: { upper: [46, 48, 84], lower: [32, 34, 56] },
  room: { upper: [216, 202, 184], lower: [158, 128, 104] },
} as const satisfies Record<string, { upper: Rgb; lower: Rgb }>;

/** Paints of the clutter. */
export const CLUTTER = {
  cloud: [232, 240, 244],
  twinkle: [214, 214, 190],
  moon: [226, 224, 200],
  tuft: [118, 156, 88],
  wave: [138, 184, 198],
  windowFrame: [240, 232, 220],
  windowPane: [176, 204, 216],
  rug: [186, 158, 136],
} as const satisfies Record<string, Rgb>;
