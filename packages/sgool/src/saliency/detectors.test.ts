import { describe, expect, it } from 'vitest';
import { type Colour, createImage, type Image } from '../image/image.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { minMaxNormalise, type SaliencyMap } from './detector.ts';
import { centreDetector, maskDetector } from './simple-detectors.ts';
import { spectralResidual } from './spectral-residual.ts';

const fixture = await openSafetensors(
  new URL('../../../../fixtures/data/saliency.safetensors', import.meta.url).pathname,
);
const numbers = async (name: string) =>
  Float64Array.from((await readTypedTensor(fixture, name)).data as Float32Array);

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

  it.each([0, 1])('is the map that NumPy computes (image %i)', async (index) => {
    const [height, width] = fixture.tensors.get(`residual.${index}.image`)?.shape ?? [];
    const pixels = Uint8Array.from(await numbers(`residual.${index}.image`));
    const expected = await numbers(`residual.${index}.map`);
    const map = await spectralResidual().map(createImage(width, height, pixels));
    expectMap(map, width, height);
    expected.forEach((value, i) => {
      // float32 against float64: faint frequencies are amplified, and so is their rounding.
      expect(Math.abs(map.data[i] - value)).toBeLessThan(1e-3);
    });
  });

  it('does not amplify what rounding leaves of frequencies that the image lacks', async () => {
    // Resized to 64, so that pixels of a row differ by rounding.
    const [width, height] = [77, 64];
    const stripes = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const y = Math.floor(i / (3 * width));
      return 100 + 50 * Math.sin(y) + (y > 30 && y < 36 ? 80 : 0);
    });
    const { data } = await spectralResidual().map(createImage(width, height, stripes));
    expect(Math.max(...data)).toBe(1);
    data.forEach((value, i) => {
      expect(value).toBeCloseTo(data[i - (i % width)], 4);
    });
  });

  it('gives a map of numbers for a plain image', async () => {
    expectMap(await spectralResidual().map(createImage(33, 20, [10, 10, 10])), 33, 20);
    expectMap(await spectralResidual().map(createImage(16, 16)), 16, 16);
  });
});

it('minMaxNormalise takes values to [0, 1], what is flat to 0, and does not hide what is not finite', () => {
  expect([...minMaxNormalise(Float32Array.of(3, 1, 2))]).toEqual([1, 0, 0.5]);
  expect([...minMaxNormalise(Float32Array.of(2, 2))]).toEqual([0, 0]);
  expect([...minMaxNormalise(Float32Array.of(1, Number.NaN, 2))]).toContainEqual(Number.NaN);
  expect([...minMaxNormalise(Float32Array.of(1, Number.POSITIVE_INFINITY))]).toContainEqual(Number.NaN);
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

it('mask: the mean of red, green and blue', async () => {
  const mask = createImage(2, 1, Uint8Array.of(30, 60, 120, 0, 5, 250));
  const { data } = await maskDetector(mask).map(createImage(2, 1));
  expect(data[0]).toBeCloseTo(210 / 765, 6);
  expect(data[1]).toBeCloseTo(1 / 3, 6);
  expect(data).toHaveLength(2);
});

it('centre: a Gaussian whose standard deviation is a quarter of each side', async () => {
  const [width, height] = [20, 8];
  const { data } = await centreDetector().map(createImage(width, height));
  data.forEach((value, i) => {
    const [x, y] = [(i % width) + 0.5 - 10, Math.floor(i / width) + 0.5 - 4];
    expect(value).toBeCloseTo(Math.exp(-0.5 * ((x / 5) ** 2 + (y / 2) ** 2)), 6);
  });
});

it('centre: highest in the middle', async () => {
  const map = await centreDetector().map(createImage(20, 10));
  expectMap(map, 20, 10);
  expect(map.data[5 * 20 + 10]).toBeGreaterThan(0.95);
  expect(map.data[0]).toBeLessThan(0.05);
});
