import { describe, expect, it } from 'vitest';
import { createImage, type Image } from '../../image/image.ts';
import { defined } from '../../testing.ts';
import { fittingNotes, prepareImage } from './fit-image.ts';

/** Red grows to the right, green downwards. */
function slopes(width: number, height: number): Image {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      data.set([(255 * x) / (width - 1), (255 * y) / (height - 1), 90], 3 * (y * width + x));
    }
  }
  return createImage(width, height, data);
}

const size = { width: 32, height: 32 };
const crop = { fit: 'crop', invertMask: false } as const;
const letterbox = { ...crop, fit: 'letterbox' } as const;
const pixel = ({ width, data }: Image, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];

it('leaves an image of the right size alone', () => {
  const images = [slopes(32, 32)];
  expect(prepareImage({ images, ...crop }, size)).toEqual({ images });
  expect(fittingNotes({ images, ...crop }, size)).toEqual([]);
});

describe('an image of another shape', () => {
  const images = [slopes(96, 48)];

  it('loses its ends, and says so', () => {
    const {
      images: [fitted],
      open,
    } = prepareImage({ images, ...crop }, size);
    expect(fitted).toMatchObject(size);
    expect(open).toBeUndefined();
    const [left, right] = [pixel(fitted, 0, 16)[0], pixel(fitted, 31, 16)[0]];
    expect([left, right].map((red) => Math.round(red / 16))).toEqual([4, 12]);
    expect(fittingNotes({ images, ...crop }, size)).toEqual([
      expect.stringMatching(/96 x 48, scaled to 32 x 32: left and right are cut off/),
    ]);
  });

  it('keeps all of itself in a letter-box, whose borders do not change', () => {
    const {
      images: [fitted],
      open,
    } = prepareImage({ images, ...letterbox }, size);
    expect(pixel(fitted, 5, 0)).toEqual(pixel(fitted, 5, 8));
    expect(pixel(fitted, 0, 16)[0]).toBeLessThan(12);
    expect(pixel(fitted, 31, 16)[0]).toBeGreaterThan(243);
    const openRows = Array.from({ length: 32 }, (_, y) => defined(open)[32 * y + 16]);
    expect(openRows).toEqual(Array.from({ length: 32 }, (_, y) => (y >= 8 && y < 24 ? 1 : 0)));
    expect(fittingNotes({ images, ...letterbox }, size)[0]).toMatch(/extended above and below/);
  });

  it('takes its mask along', () => {
    const data = Uint8Array.from({ length: 3 * 48 * 24 }, (_, i) => (Math.floor(i / 3) % 48 < 24 ? 255 : 0));
    const mask = createImage(48, 24, data);
    for (const request of [crop, letterbox]) {
      const { open } = prepareImage({ images, mask, ...request }, size);
      expect([open?.[16 * 32 + 14], open?.[16 * 32 + 17]]).toEqual([1, 0]);
      const inverse = defined(prepareImage({ images, mask, ...request, invertMask: true }, size).open);
      expect([inverse[16 * 32 + 14], inverse[16 * 32 + 17]]).toEqual([0, 1]);
    }
  });
});

it.each([
  [1, 1],
  [3, 200],
  [1, 900],
  [800, 300],
])('takes %i x %i pixels', (width, height) => {
  const images = [createImage(width, height, [200, 100, 50])];
  for (const request of [crop, letterbox]) {
    const {
      images: [fitted],
    } = prepareImage({ images, ...request }, size);
    expect(fitted).toEqual(createImage(32, 32, [200, 100, 50]));
  }
});

it('shrinks a large image without moving it', () => {
  const [image] = prepareImage({ images: [slopes(512, 320)], ...letterbox }, size).images;
  const [small] = prepareImage({ images: [slopes(64, 40)], ...letterbox }, size).images;
  for (const [x, y] of [
    [1, 16],
    [16, 7],
    [30, 25],
  ]) {
    const [red, green, blue] = pixel(small, x, y);
    expect(Math.abs(pixel(image, x, y)[0] - red)).toBeLessThan(5);
    expect(Math.abs(pixel(image, x, y)[1] - green)).toBeLessThan(5);
    expect(pixel(image, x, y)[2]).toBe(blue);
  }
});

it('says that a tiny image will look soft', () => {
  expect(fittingNotes({ images: [slopes(8, 8)], ...crop }, size).join()).toMatch(/much smaller/);
});

it('fits every frame of a clip alike, under one mask', () => {
  const images = [slopes(96, 48), createImage(96, 48, [10, 20, 30])];
  const { images: fitted, open } = prepareImage({ images, ...letterbox }, size);
  expect(fitted).toEqual(images.map((one) => prepareImage({ images: [one], ...letterbox }, size).images[0]));
  expect(open).toHaveLength(32 * 32);
});
