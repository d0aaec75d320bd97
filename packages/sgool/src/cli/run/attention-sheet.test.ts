import { expect, it } from 'vitest';
import type { MappedImage } from '../../methods/attention-maps.ts';
import { discImage } from '../testing.ts';
import { attentionSheet, shortLayerName } from './attention-sheet.ts';

it.each([
  ['down_blocks.1.attentions.0.transformer_blocks.0.attn2', 'down 1.0'],
  ['mid_block.attentions.0.transformer_blocks.0.attn2', 'mid 0'],
  ['up_blocks.2.attentions.1.transformer_blocks.3.attn2', 'up 2.1.3'],
  ['another', 'another'],
])('calls %s %s', (name, short) => {
  expect(shortLayerName(name)).toBe(short);
});

it('draws each map over the image, scaled to its greatest value, the mean of all layers first', () => {
  const layer = (name: string) => ({ name, heads: 1, rows: 2, columns: 2 });
  const [first, second] = [layer('first'), layer('second')];
  const left = Float32Array.of(0.1, 0, 0.1, 0);
  const right = Float32Array.of(0, 0.1, 0, 0.1);
  const mapped: Omit<MappedImage, 'settings'> = {
    image: discImage(0),
    seed: 1,
    words: [{ word: 'cat', tokens: [2] }],
    layers: [first, second],
    steps: [1],
    maps: [
      { layer: first, step: 1, timestep: 9, words: [left] },
      { layer: second, step: 1, timestep: 9, words: [right] },
    ],
  };
  const sheet = attentionSheet(mapped, 'a cat');
  /** Mean brightness of red, which glows most, at a place of a tile of a row. */
  const red = (row: number, share: number) => {
    const x = 132 + Math.round(120 * share);
    const y = 120 + 16 + 36 + 8 + row * 140 + 8;
    return sheet.data[3 * (y * sheet.width + x)];
  };
  const [mean, one, two] = [0, 1, 2].map((row) => ({ left: red(row, 0.05), right: red(row, 0.95) }));
  expect(one.left).toBeGreaterThan(one.right + 50);
  expect(two.right).toBeGreaterThan(two.left + 50);
  expect(mean.left).toBeGreaterThan(one.right + 50);
  expect(mean.right).toBeGreaterThan(one.right + 50);
  // A map of zeros has no greatest value to be scaled by.
  const dark = mapped.maps.map((each) => ({ ...each, words: [new Float32Array(4)] }));
  expect(attentionSheet({ ...mapped, maps: dark }, 'a cat').data).not.toEqual(sheet.data);
});
