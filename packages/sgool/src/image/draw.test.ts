import { describe, expect, it } from 'vitest';
import { heatColour } from './colour.ts';
import { arrangeImages, drawBoxes, drawText, overlayHeatMap } from './draw.ts';
import { GLYPH_HEIGHT, glyph, textWidth } from './font.ts';
import { createImage, type Image } from './image.ts';

const pixel = ({ width, data }: Image, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];
const light = (colour: readonly number[]) => 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];

describe('heat map', () => {
  it('grows lighter all the way, and clips', () => {
    const lights = Array.from({ length: 101 }, (_, i) => light(heatColour(i / 100)));
    for (let i = 1; i < lights.length; i++) expect(lights[i]).toBeGreaterThan(lights[i - 1]);
    expect(heatColour(-1)).toEqual(heatColour(0));
    expect(heatColour(2)).toEqual(heatColour(1));
  });

  it('darkens where nobody looks and glows where the map is high', () => {
    const image = createImage(2, 1, [120, 160, 200]);
    const over = overlayHeatMap(image, [0, 1]);
    expect(light(pixel(over, 0, 0))).toBeLessThan(light([120, 160, 200]));
    const [red, , blue] = pixel(over, 1, 0);
    expect(red).toBeGreaterThan(blue);
    expect(() => overlayHeatMap(image, [0])).toThrow('[1, 2] needs 2 values, got 1');
  });
});

describe('drawBoxes', () => {
  it('draws inside the box, leaves the image it was given, and survives boxes beyond the border', () => {
    const image = createImage(40, 30, [10, 120, 10]);
    const drawn = drawBoxes(image, [{ x: 5, y: 5, width: 20, height: 12 }], {
      colour: [255, 0, 0],
      thickness: 1,
    });
    expect(pixel(drawn, 6, 10)).toEqual([255, 0, 0]);
    expect(pixel(drawn, 4, 10)).toEqual([10, 120, 10]);
    expect(pixel(drawn, 15, 11)).toEqual([10, 120, 10]);
    expect(pixel(image, 6, 10)).toEqual([10, 120, 10]);
    expect(() => drawBoxes(image, [{ x: -9, y: -9, width: 99.5, height: 99.5 }])).not.toThrow();
  });
});

describe('text and sheets', () => {
  it('has a whole glyph for every letter of the font', () => {
    const letters =
      ' ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?\'"()[]/-+=*%#<>_&@|~';
    for (const letter of letters) {
      const rows = glyph(letter);
      expect(rows).toHaveLength(GLYPH_HEIGHT);
      expect(new Set(rows.map((row) => row.length)).size).toBe(1);
      expect(rows.join('')).toMatch(/^[#.]+$/);
      if (letter !== ' ') expect(rows.join('')).toContain('#');
    }
    expect(glyph('猫')).toBe(glyph('?'));
    expect(textWidth('Ii')).toBe(5);
  });

  it('writes at the given position', () => {
    const written = drawText(createImage(12, 12), 'I', 2, 1, { colour: [9, 9, 9], scale: 2 });
    expect(pixel(written, 2, 1)).toEqual([9, 9, 9]);
    expect(pixel(written, 2, 3)).toEqual([0, 0, 0]);
    expect(pixel(written, 4, 3)).toEqual([9, 9, 9]);
  });

  it('puts images in rows with gaps and room for captions', () => {
    const red = createImage(10, 8, [255, 0, 0]);
    const blue = createImage(20, 16, [0, 0, 255]);
    const strip = arrangeImages([red, blue], { gap: 2 });
    expect([strip.width, strip.height]).toEqual([26, 12]);
    expect(pixel(strip, 2, 2)).toEqual([255, 0, 0]);
    expect(pixel(strip, 13, 5)).toEqual([255, 255, 255]);
    expect(pixel(strip, 14, 9)).toEqual([0, 0, 255]);
    const sheet = arrangeImages([red, blue, red], {
      gap: 2,
      columns: 2,
      captions: ['a very long caption', 'b', 'c'],
    });
    expect([sheet.width, sheet.height]).toEqual([26, 2 + 2 * (8 + GLYPH_HEIGHT + 4 + 2)]);
    expect(() => arrangeImages([])).toThrow('needs an image');
  });
});
