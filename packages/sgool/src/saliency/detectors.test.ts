import { describe, expect, it } from 'vitest';
import { type Colour, createImage, type Image } from '../image/image.ts';
import type { SaliencyMap } from './detector.ts';
import { fft2 } from './fourier.ts';
import { centreDetector, maskDetector } from './simple-detectors.ts';
import { spectralResidual } from './spectral-residual.ts';

/** A plain image with a box of another colour. */
function boxOn(width: number, height: number, box: [number, number, number, number], colour: Colour): Image {
  const image = createImage(width, height, [90, 120, 90]);
  const [left, top, w, h] = box;
  for (let y = top; y < top + h; y++) {
    for (let x = left; x < left + w; x++) image.data.set(colour, 3 * (y * width + x));
  }
  return image;
}

/** Mean of the map inside a box and outside. */
function contrast({ width, data }: SaliencyMap, [left, top, w, h]: [number, number, number, number]) {
  const sums = { inside: 0, outside: 0 };
  data.forEach((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    sums[x >= left && x < left + w && y >= top && y < top + h ? 'inside' : 'outside'] += value;
  });
  return [sums.inside / (w * h), sums.outside / (data.length - w * h)];
}

function expectMap(map: SaliencyMap, width: number, height: number) {
  expect(map).toMatchObject({ width, height });
  expect(map.data).toHaveLength(width * height);
  expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
}

describe('spectral-residual', () => {
  const box = [70, 20, 16, 16] as [number, number, number, number];

  it('points at the odd one out', async () => {
    const map = await spectralResidual().map(boxOn(120, 80, box, [220, 30, 30]));
    expectMap(map, 120, 80);
    const [inside, outside] = contrast(map, box);
    expect(inside).toBeGreaterThan(3 * outside);
  });

  it('gives a map of numbers for a plain image', async () => {
    expectMap(await spectralResidual().map(createImage(33, 20, [10, 10, 10])), 33, 20);
    expectMap(await spectralResidual().map(createImage(16, 16)), 16, 16);
  });
});

it('fft2 is undone by its inverse, and knows the spectrum of a wave', () => {
  const side = 8;
  const wave = Float64Array.from({ length: side * side }, (_, i) =>
    Math.cos((2 * Math.PI * 2 * (i % side)) / side),
  );
  const re = wave.slice();
  const im = new Float64Array(side * side);
  fft2(re, im, side);
  expect(re[2]).toBeCloseTo((side * side) / 2);
  expect(re[side - 2]).toBeCloseTo((side * side) / 2);
  expect(re.reduce((sum, value) => sum + Math.abs(value), 0)).toBeCloseTo(side * side);
  fft2(re, im, side, true);
  wave.forEach((value, i) => {
    expect(re[i]).toBeCloseTo(value, 12);
  });
});

it("mask: the brightness of the user's image, at the size of the other", async () => {
  const box = [10, 10, 20, 20] as [number, number, number, number];
  const mask = boxOn(40, 40, box, [255, 255, 255]);
  const map = await maskDetector(mask).map(createImage(80, 80));
  expectMap(map, 80, 80);
  const [inside, outside] = contrast(map, [22, 22, 36, 36]);
  expect(inside).toBeCloseTo(1, 2);
  expect(outside).toBeLessThan(0.5);
});

it('centre: highest in the middle', async () => {
  const map = await centreDetector().map(createImage(20, 10));
  expectMap(map, 20, 10);
  expect(map.data[5 * 20 + 10]).toBeGreaterThan(0.95);
  expect(map.data[0]).toBeLessThan(0.05);
});
