import { expect, it } from 'vitest';
import { createImage } from './image.ts';
import { composite, mayChange, openElements, softEdge } from './mask.ts';

/** A mask from rows of characters: `#` white, `+` light grey, `-` dark grey, `.` black. */
function maskOf(...rows: string[]) {
  const level = { '#': 255, '+': 140, '-': 115, '.': 0 } as Record<string, number>;
  const data = Uint8Array.from([...rows.join('')].flatMap((char) => Array(3).fill(level[char])));
  return createImage(rows[0].length, rows.length, data);
}

it('takes the brighter half of the greys for what may change, or the darker one', () => {
  const mask = maskOf('#+-.');
  expect([...mayChange(mask, false)]).toEqual([1, 1, 0, 0]);
  expect([...mayChange(mask, true)]).toEqual([0, 0, 1, 1]);
});

it.each([
  [[0, 255, 0], 1],
  [[255, 0, 0], 0],
  [[0, 0, 255], 0],
  [[255, 0, 255], 0],
  [[255, 255, 0], 1],
  [[127, 127, 127], 0],
  [[128, 128, 128], 1],
] as const)('takes colours by their luma: %j', (colour, open) => {
  expect([...mayChange(createImage(1, 1, colour), false)]).toEqual([open]);
});

it('frees each element of the latent that has an open pixel, in all channels', () => {
  const open = mayChange(maskOf('#...', '....', '....', '..#.'), false);
  expect([...openElements(open, 4, [1, 2, 2, 2])]).toEqual([1, 0, 0, 1, 1, 0, 0, 1]);
});

it('rises from nothing at what is protected to all inside, and no wider than the mask allows', () => {
  const edge = (mask: string, feather: number) =>
    [...softEdge(mayChange(maskOf(mask), false), mask.length, feather)].map((value) =>
      Number(value.toFixed(2)),
    );
  expect(edge('..######', 3)).toEqual([0, 0, 0.25, 0.5, 0.75, 1, 1, 1]);
  expect(edge('..######', 0)).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
  expect(edge('..#..', 9)).toEqual([0, 0, 0.5, 0, 0]);
  expect(edge('####', 3)).toEqual([1, 1, 1, 1]);
});

it('keeps the bytes of what lies below where nothing of the other image counts', () => {
  const below = createImage(3, 1, Uint8Array.of(7, 8, 9, 10, 20, 30, 40, 50, 60));
  const above = createImage(3, 1, [110, 120, 130]);
  const { data } = composite(below, above, Float32Array.of(0, 0.5, 1));
  expect([...data]).toEqual([7, 8, 9, 60, 70, 80, 110, 120, 130]);
});
