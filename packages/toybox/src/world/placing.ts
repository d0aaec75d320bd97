/** @file Where things have room: their extents, the margin of the image, and the gap between two of them. */

import type { Thing } from './scene.ts';
import type { SceneGenerator } from './scene-generator.ts';
import { SHAPES } from './shapes.ts';

/** Width of the border that stays free, as a share of the image's side. */
export const MARGIN = 0.03;

/** Half the width of a thing's drawing, as a share of the image's side. */
export const halfWidth = (thing: Thing) => (SHAPES[thing.kind].halfWidth * thing.side) / 2;
/** Half the height of a thing's drawing, as a share of the image's side. */
export const halfHeight = (thing: Thing) => (SHAPES[thing.kind].halfHeight * thing.side) / 2;

/** The nearest centre at which a thing of this half extent stays off the margin. */
export const clampCentre = (centre: number, half: number) =>
  Math.min(1 - MARGIN - half, Math.max(MARGIN + half, centre));

/** Whether the boxes of two things have a gap between them. */
export function apart(a: Thing, b: Thing): boolean {
  const dx = Math.abs(a.x - b.x) - halfWidth(a) - halfWidth(b);
  const dy = Math.abs(a.y - b.y) - halfHeight(a) - halfHeight(b);
  return Math.max(dx, dy) >= 0.02;
}

/** Moves a thing to any place inside of the margin. */
export function moveAnywhere(generator: SceneGenerator, thing: Thing): void {
  thing.x = generator.range(MARGIN + halfWidth(thing), 1 - MARGIN - halfWidth(thing));
  thing.y = generator.range(MARGIN + halfHeight(thing), 1 - MARGIN - halfHeight(thing));
}
