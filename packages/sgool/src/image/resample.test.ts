import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { required } from '../errors.ts';
import { wholeCrop } from './crops.ts';
import { createImage } from './image.ts';
import { letterboxPlacement, letterboxPlanes, undoLetterbox } from './letterbox.ts';
import {
  adaptiveAveragePoolMatrix,
  bilinearMatrix,
  type ResampleFilter,
  resampleMatrix,
  resamplePlane,
  type Span,
} from './resample.ts';
import { resizeImage } from './resize.ts';

interface Case {
  key: string;
  size: [number, number];
  box: [number, number, number, number] | null;
  filter: ResampleFilter;
  image: [number, number];
  canvas: [number, number];
}

/** The fixture, read without the safetensors reader, which this folder must not import. */
function readFixture() {
  const path = fileURLToPath(new URL('../../../../fixtures/data/image.safetensors', import.meta.url));
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString());
  const bytes = (key: string) => {
    const [begin, end] = header[key].data_offsets;
    return file.subarray(start + begin, start + end);
  };
  return {
    floats: (key: string) => new Float32Array(new Uint8Array(bytes(key)).buffer),
    bytes: (key: string) => new Uint8Array(bytes(key)),
    cases: JSON.parse(header.__metadata__.cases) as Record<
      'resizes' | 'bilinears' | 'pools' | 'letterboxes',
      Case[]
    >,
  };
}

const fixture = readFixture();
const [WIDTH, HEIGHT] = [40, 31];
const plane = fixture.floats('plane');

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

describe('wholeCrop', () => {
  it('is torchvision’s Resize where the published guidance takes it', () => {
    const square = Float32Array.from(
      { length: 31 * 31 },
      (_, i) => plane[Math.floor(i / 31) * WIDTH + (i % 31)],
    );
    const sizes = { width: 31, height: 31, side: 12 };
    const { rows, columns } = wholeCrop(sizes, 'bilinear');
    const wanted = fixture.floats('whole.bilinear');
    expect(worst(resamplePlane(square, 31, rows, columns), wanted)).toBeLessThan(1e-6);
    const own = wholeCrop(sizes);
    expect(worst(resamplePlane(square, 31, own.rows, own.columns), wanted)).toBeGreaterThan(1e-2);
  });
});

describe('resampleMatrix', () => {
  it.each(fixture.cases.resizes)(
    'is Pillow’s resize: $filter to $size of $box',
    ({ key, filter, size, box }) => {
      const across: Span = box === null ? [0, WIDTH] : [box[0], box[2]];
      const down: Span = box === null ? [0, HEIGHT] : [box[1], box[3]];
      const columns = resampleMatrix(WIDTH, size[0], { filter, box: across });
      const rows = resampleMatrix(HEIGHT, size[1], { filter, box: down });
      expect(worst(resamplePlane(plane, WIDTH, rows, columns), fixture.floats(key))).toBeLessThan(1e-6);
    },
  );

  it('has rows that sum to 1 for any sizes, box and filter', () => {
    const filters: ResampleFilter[] = ['box', 'bilinear', 'bicubic', 'lanczos'];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(...filters),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        (inSize, outSize, filter, start, share) => {
          const box: Span = [start * inSize, Math.min(inSize, (start + share * (1 - start)) * inSize)];
          const matrix = resampleMatrix(inSize, outSize, { filter, box });
          for (let i = 0; i < outSize; i++) {
            const sum = matrix
              .subarray(i * inSize, (i + 1) * inSize)
              .reduce((total, weight) => total + weight, 0);
            expect(sum).toBeCloseTo(1, 5);
          }
        },
      ),
    );
  });

  it('refuses a box outside of the image', () => {
    expect(() => resampleMatrix(10, 5, { box: [2, 10.5] })).toThrow(
      'box must lie in [0, 10] and not be empty, got [2, 10.5]',
    );
    expect(() => resampleMatrix(10, 5, { box: [3, 3] })).toThrow('got [3, 3]');
    expect(() => resampleMatrix(10, 0)).toThrow('sizes must be whole numbers from 1, got 10 to 0');
  });
});

describe('other matrices', () => {
  it.each(fixture.cases.bilinears)('bilinear is torch’s interpolate: $size', ({ key, size }) => {
    const out = resamplePlane(plane, WIDTH, bilinearMatrix(HEIGHT, size[0]), bilinearMatrix(WIDTH, size[1]));
    expect(worst(out, fixture.floats(key))).toBeLessThan(1e-5); // torch rounds the positions to float32
  });

  it.each(fixture.cases.pools)(
    'pooling is torch’s adaptive_avg_pool2d: $size of $box',
    ({ key, size, box }) => {
      const [left, top, right, bottom] = required(box);
      const rows = adaptiveAveragePoolMatrix(HEIGHT, size[0], { box: [top, bottom] });
      const columns = adaptiveAveragePoolMatrix(WIDTH, size[1], { box: [left, right] });
      expect(worst(resamplePlane(plane, WIDTH, rows, columns), fixture.floats(key))).toBeLessThan(1e-6);
    },
  );
});

describe('resizeImage', () => {
  const image = createImage(WIDTH, HEIGHT, fixture.bytes('rgb'));
  const wholes = fixture.cases.resizes.filter(({ box, filter }) => box === null && filter !== 'box');

  it.each(wholes)('is Pillow’s to one level: $filter to $size', ({ key, filter, size }) => {
    const { data } = resizeImage(image, size[0], size[1], filter);
    expect(worst(data, fixture.bytes(`rgb.${key}`))).toBeLessThanOrEqual(1);
  });

  it('keeps hard pixels with the nearest filter', () => {
    const small = createImage(2, 1, Uint8Array.of(255, 0, 0, 0, 0, 255));
    expect([...resizeImage(small, 4, 1, 'nearest').data]).toEqual([
      255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255,
    ]);
  });
});

describe('letterbox', () => {
  it.each(fixture.cases.letterboxes)('and its inverse are TranSalNet’s: $key', ({ key, image, canvas }) => {
    const size = { height: image[0], width: image[1] };
    const canvasSize = { height: canvas[0], width: canvas[1] };
    const boxed = letterboxPlanes(fixture.floats(`${key}.in`), size, canvasSize);
    const expected = fixture.floats(`${key}.out`);
    expect(worst(boxed, expected)).toBeLessThan(1e-5);
    const back = undoLetterbox(expected.subarray(0, canvas[0] * canvas[1]), size, canvasSize);
    expect(worst(back, fixture.floats(`${key}.back`))).toBeLessThan(1e-5);
  });

  it('places a square image on the published canvas as the authors do', () => {
    expect(letterboxPlacement({ width: 512, height: 512 })).toEqual({ x: 48, y: 0, width: 288, height: 288 });
  });
});
