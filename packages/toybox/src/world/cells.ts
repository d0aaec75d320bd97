/** @file Which thing covers each cell of a grid over an image: truth that networks can be taught about the places of things. */

import type { ObjectMask } from './render.ts';

/** A square part of an image, in pixels. */
export interface Square {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/** Points along each side of a cell at which the masks are read. */
const SAMPLES = 5;

/**
 * The thing that covers most of each cell, if it covers more than a fifth of it.
 *
 * @param masks of an image of `size` x `size` pixels
 * @param grid cells along a side
 * @param things indices of the things that count; default: all
 * @param square the part of the image that the grid divides; default: all of it
 * @returns [grid * grid], row by row: the index of a thing, or -1
 */
export function thingOfCells(
  masks: readonly ObjectMask[],
  size: number,
  grid: number,
  things: readonly number[] = masks.map((_, i) => i),
  { x, y, side }: Square = { x: 0, y: 0, side: size },
): Int8Array {
  const cell = side / grid;
  const cells = new Int8Array(grid * grid);
  for (let r = 0; r < grid; r++) {
    for (let c = 0; c < grid; c++) {
      let best = -1;
      let most = (SAMPLES * SAMPLES) / 5;
      for (const i of things) {
        const { mask } = masks[i];
        let covered = 0;
        for (let a = 0; a < SAMPLES; a++) {
          for (let b = 0; b < SAMPLES; b++) {
            const row = Math.min(size - 1, Math.floor(y + (r + (a + 0.5) / SAMPLES) * cell));
            const column = Math.min(size - 1, Math.floor(x + (c + (b + 0.5) / SAMPLES) * cell));
            covered += mask[row * size + column];
          }
        }
        if (covered > most) [best, most] = [i, covered];
      }
      cells[r * grid + c] = best;
    }
  }
  return cells;
}
