import { describe, expect, it } from 'vitest';
import { createImage, type Image } from '../../image/image.ts';
import { Generator } from '../../random/generator.ts';
import { cropAround, enlargeCrop, enlargement, putBack } from './enlarged-crop.ts';
import { repaintMasks } from './region-masks.ts';

const noise = (width: number, height: number, seed = 1) =>
  createImage(
    width,
    height,
    Uint8Array.from(new Generator(seed).rand([width * height * 3]), (value) => 255 * value),
  );
const still = { regionOffsetX: 0, regionOffsetY: 0, regionDilation: 0, regionMerge: 'none' } as const;
const maskOf = (box: { left: number; top: number; width: number; height: number }, image: Image) =>
  repaintMasks([{ ...box, mass: 1 }], still, image)[0];
const square = { width: 32, height: 32 };

describe('cropAround', () => {
  const image = { width: 100, height: 80 };
  it.each([
    // A margin on each side; then the shorter side grows around its middle.
    [{ left: 40, top: 30, width: 20, height: 20 }, 4, square, { left: 36, top: 26, width: 28, height: 28 }],
    [{ left: 40, top: 30, width: 20, height: 10 }, 4, square, { left: 36, top: 21, width: 28, height: 28 }],
    [{ left: 40, top: 30, width: 10, height: 20 }, 0, square, { left: 35, top: 30, width: 20, height: 20 }],
    [
      { left: 40, top: 30, width: 10, height: 10 },
      0,
      { width: 32, height: 16 },
      { left: 35, top: 30, width: 20, height: 10 },
    ],
    // The margin ends at the edge; what grows is moved inside.
    [{ left: 0, top: 0, width: 20, height: 10 }, 5, square, { left: 0, top: 0, width: 25, height: 25 }],
    [{ left: 90, top: 20, width: 10, height: 40 }, 0, square, { left: 60, top: 20, width: 40, height: 40 }],
    // The image is not high enough for a square.
    [{ left: 0, top: 10, width: 100, height: 20 }, 8, square, { left: 0, top: 0, width: 100, height: 80 }],
  ])('%j with %d for %j', (box, padding, size, wanted) => {
    expect(cropAround(box, padding, image, size)).toEqual(wanted);
  });
});

describe('enlargeCrop', () => {
  const image = noise(40, 30);

  it('is the crop in the size of the model, and its mask', () => {
    const crop = { left: 8, top: 6, width: 16, height: 16 };
    const box = { left: 12, top: 8, width: 4, height: 6 };
    const {
      images: [part],
      open,
    } = enlargeCrop(image, maskOf(box, image), crop, square);
    expect(enlargement(crop, square)).toBe(2);
    expect(part).toMatchObject(square);
    // Twice as large: from 2 * (12 - 8) to 2 * (16 - 8), from 2 * (8 - 6) to 2 * (14 - 6).
    open.forEach((value, i) => {
      const [x, y] = [i % 32, Math.floor(i / 32)];
      expect(value, `${x} ${y}`).toBe(x >= 8 && x < 16 && y >= 4 && y < 16 ? 1 : 0);
    });
  });

  it('is the pixels themselves where nothing is scaled', () => {
    const crop = { left: 8, top: 4, width: 16, height: 16 };
    const {
      images: [part],
    } = enlargeCrop(image, maskOf(crop, image), crop, { width: 16, height: 16 });
    for (let y = 0; y < 16; y++) {
      const from = 3 * ((4 + y) * 40 + 8);
      expect(part.data.subarray(48 * y, 48 * (y + 1))).toEqual(image.data.subarray(from, from + 48));
    }
  });

  it('protects what surrounds a crop of another shape', () => {
    const crop = { left: 0, top: 0, width: 40, height: 20 };
    const { open } = enlargeCrop(image, maskOf(crop, image), crop, square);
    expect(enlargement(crop, square)).toBe(0.8);
    open.forEach((value, i) => {
      const y = Math.floor(i / 32);
      expect(value).toBe(y >= 8 && y < 24 ? 1 : 0);
    });
  });
});

describe('putBack', () => {
  const image = noise(40, 30);
  const crop = { left: 8, top: 6, width: 16, height: 16 };
  const mask = maskOf({ left: 11, top: 9, width: 9, height: 9 }, image);

  it('blends with a weight that rises to 1 over the feather inside of the mask, and keeps all else', () => {
    const white = createImage(32, 32, [255, 255, 255]);
    const feather = 3;
    const { data } = putBack(image, white, crop, mask, feather);
    image.data.forEach((before, i) => {
      const [x, y] = [Math.floor(i / 3) % 40, Math.floor(i / 120)];
      // Steps to the nearest pixel outside; 0 outside.
      const inside = Math.max(0, Math.min(x - 10, 20 - x, y - 8, 18 - y));
      const weight = Math.min(1, inside / (feather + 1));
      expect(data[i]).toBe(Math.round(before + weight * (255 - before)));
    });
  });

  it('has no soft edge with a feather of 0', () => {
    const { data } = putBack(image, createImage(32, 32, [0, 0, 0]), crop, mask, 0);
    data.forEach((value, i) => {
      expect(value).toBe(mask.open[Math.floor(i / 3)] ? 0 : image.data[i]);
    });
  });

  it('undoes enlargeCrop where nothing was painted', () => {
    const smooth = createImage(
      40,
      30,
      Uint8Array.from(
        { length: 3600 },
        (_, i) => 3 * (Math.floor(i / 3) % 40) + 2 * Math.floor(i / 120) + 20,
      ),
    );
    for (const part of [crop, { left: 2, top: 2, width: 24, height: 12 }]) {
      const inner = maskOf({ left: part.left + 2, top: part.top + 2, width: 8, height: 8 }, smooth);
      const enlarged = enlargeCrop(smooth, inner, part, square);
      const { data } = putBack(smooth, enlarged.images[0], part, inner, 1);
      data.forEach((value, i) => {
        expect(Math.abs(value - smooth.data[i])).toBeLessThanOrEqual(2);
      });
    }
  });
});
