import { expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { withoutCentreBias } from './centre-bias.ts';
import type { Detector } from './detector.ts';
import { centreBias } from './simple-detectors.ts';

const size = { width: 9, height: 6 };
const image = createImage(9, 6);
const detector = (data: Float32Array, more = {}): Detector => ({
  name: 'some',
  map: async () => ({ ...size, data, ...more }),
});

it('divides the map by the density of fixations: nine tenths Gaussian, one tenth uniform', async () => {
  const map = Float32Array.from({ length: 54 }, (_, i) => ((7 * i) % 11) / 10);
  const bias = centreBias(size);
  const mean = bias.reduce((a, b) => a + b) / 54;
  const ratio = map.map((value, i) => value / (0.9 * (bias[i] / mean) + 0.1));
  const found = await withoutCentreBias(detector(map)).map(image);
  expect(found).toMatchObject(size);
  found.data.forEach((value, i) => {
    expect(value).toBeCloseTo(ratio[i] / Math.max(...ratio), 6);
  });
});

it('has the maximum 1 for a weak map, too', async () => {
  const map = Float32Array.from({ length: 54 }, (_, i) => ((7 * i) % 11) / 10);
  const [strong, weak] = await Promise.all(
    [map, map.map((value) => value / 1000)].map((data) => withoutCentreBias(detector(data)).map(image)),
  );
  weak.data.forEach((value, i) => {
    expect(value).toBeCloseTo(strong.data[i], 5);
  });
});

it('makes a map flat that is nothing but centre bias, apart from the uniform part', async () => {
  const bias = centreBias(size);
  const mean = bias.reduce((a, b) => a + b) / 54;
  const { data } = await withoutCentreBias(detector(bias.map((value) => 0.9 * (value / mean) + 0.1))).map(
    image,
  );
  for (const value of data) expect(value).toBeCloseTo(1, 5);
});

it('keeps a map of zeros, the name, and boxes', async () => {
  const zeros = new Float32Array(54);
  const flat = withoutCentreBias(detector(zeros));
  expect(flat.name).toBe('some');
  expect((await flat.map(image)).data).toEqual(zeros);
  const boxed = detector(new Float32Array(54).fill(0.5), { boxes: [] });
  expect(await withoutCentreBias(boxed).map(image)).toEqual(await boxed.map(image));
});
