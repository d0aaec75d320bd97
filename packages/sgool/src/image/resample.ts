/**
 * @file Resampling as matrices: an image plane `X` becomes `A · X · Bᵀ`, so that crop and resize are products in a
 * differentiable program, and moving a box needs no new program.
 *
 * Every matrix is `[out, in]`, row-major; each row sums to 1.
 */
import { clamp, sum } from '../numbers.ts';

/** Pillow's resampling filters. */
export type ResampleFilter = 'box' | 'bilinear' | 'bicubic' | 'lanczos';

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Pillow's kernels: half their width in source pixels, and their value at a distance. */
const FILTERS: Readonly<Record<ResampleFilter, { support: number; at: (x: number) => number }>> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    at(x) {
      const a = -0.5; // Keys' cubic; other libraries take -0.75
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** A range of source pixels, `[start, end)`; fractions are allowed. */
export type Span = readonly [start: number, end: number];

function checkSizes(who: string, inSize: number, outSize: number, [start, end]: Span): void {
  if (!(Number.isSafeInteger(inSize) && Number.isSafeInteger(outSize) && inSize > 0 && outSize > 0)) {
    throw new RangeError(`${who}: sizes must be whole numbers from 1, got ${inSize} to ${outSize}`);
  }
  if (!(start >= 0 && end <= inSize && start < end)) {
    throw new RangeError(`${who}: box must lie in [0, ${inSize}] and not be empty, got [${start}, ${end}]`);
  }
}

/** How one axis is resampled. */
export interface ResampleOptions {
  /** Default `bicubic`. */
  filter?: ResampleFilter;
  /** The part of the source that fills the output. Default: all of it. */
  box?: Span;
}

/**
 * Pillow's resize along one axis, `Image.resize(size, resample, box)`: the kernel grows when the image shrinks, so
 * that nothing aliases. As in Pillow, pixels just outside the box contribute where the kernel reaches them.
 *
 * @returns `[outSize, inSize]`
 * @throws RangeError when a size is not a whole number from 1, or the box leaves the image
 */
export function resampleMatrix(
  inSize: number,
  outSize: number,
  { filter = 'bicubic', box = [0, inSize] }: ResampleOptions = {},
): Float32Array<ArrayBuffer> {
  checkSizes('resampleMatrix', inSize, outSize, box);
  const matrix = new Float32Array(outSize * inSize);
  const scale = (box[1] - box[0]) / outSize;
  const filterScale = Math.max(scale, 1);
  const { support, at } = FILTERS[filter];
  for (let i = 0; i < outSize; i++) {
    const centre = box[0] + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support * filterScale + 0.5));
    const end = Math.min(inSize, Math.trunc(centre + support * filterScale + 0.5));
    const weights: number[] = [];
    for (let j = first; j < end; j++) weights.push(at((j - centre + 0.5) / filterScale));
    const total = sum(weights);
    weights.forEach((weight, k) => {
      matrix[i * inSize + first + k] = total === 0 ? weight : weight / total;
    });
  }
  return matrix;
}

/**
 * Bilinear interpolation along one axis with half-pixel centres and no low-pass filter: OpenCV's `resize` with
 * INTER_LINEAR, torch's `interpolate(mode='bilinear', align_corners=False)`.
 *
 * @returns `[outSize, inSize]`
 */
export function bilinearMatrix(inSize: number, outSize: number): Float32Array<ArrayBuffer> {
  checkSizes('bilinearMatrix', inSize, outSize, [0, inSize]);
  const matrix = new Float32Array(outSize * inSize);
  for (let i = 0; i < outSize; i++) {
    const centre = clamp(((i + 0.5) * inSize) / outSize - 0.5, 0, inSize - 1);
    const left = Math.min(Math.floor(centre), inSize - 1);
    const right = Math.min(left + 1, inSize - 1);
    matrix[i * inSize + left] += 1 - (centre - left);
    matrix[i * inSize + right] += centre - left;
  }
  return matrix;
}

/**
 * torch's `adaptive_avg_pool` along one axis of the crop `box`, as in CLIP guidance's cutouts.
 *
 * @param box whole numbers
 * @returns `[outSize, inSize]`
 */
export function adaptiveAveragePoolMatrix(
  inSize: number,
  outSize: number,
  { box = [0, inSize] }: { box?: Span } = {},
): Float32Array<ArrayBuffer> {
  checkSizes('adaptiveAveragePoolMatrix', inSize, outSize, box);
  const [start, end] = box;
  if (!Number.isInteger(start) || !Number.isInteger(end)) {
    throw new RangeError(`adaptiveAveragePoolMatrix: box must be whole numbers, got [${start}, ${end}]`);
  }
  const length = end - start;
  const matrix = new Float32Array(outSize * inSize);
  for (let i = 0; i < outSize; i++) {
    const first = Math.floor((i * length) / outSize);
    const last = Math.ceil(((i + 1) * length) / outSize);
    matrix.fill(1 / (last - first), i * inSize + start + first, i * inSize + start + last);
  }
  return matrix;
}

/** `X · Bᵀ`: resamples every row of a plane `[height, width]` by `B` `[outWidth, width]`; zeros of `B` are skipped. */
export function resampleRows(
  plane: Float32Array,
  width: number,
  columns: Float32Array,
): Float32Array<ArrayBuffer> {
  const height = plane.length / width;
  const outWidth = columns.length / width;
  const out = new Float32Array(height * outWidth);
  for (let j = 0; j < outWidth; j++) {
    for (let k = 0; k < width; k++) {
      const weight = columns[j * width + k];
      if (weight === 0) continue;
      for (let y = 0; y < height; y++) out[y * outWidth + j] += weight * plane[y * width + k];
    }
  }
  return out;
}

/** `A · X`: resamples every column of a plane `[height, width]` by `A` `[outHeight, height]`. */
export function resampleColumns(
  plane: Float32Array,
  width: number,
  rows: Float32Array,
): Float32Array<ArrayBuffer> {
  const height = plane.length / width;
  const outHeight = rows.length / height;
  const out = new Float32Array(outHeight * width);
  for (let i = 0; i < outHeight; i++) {
    for (let k = 0; k < height; k++) {
      const weight = rows[i * height + k];
      if (weight === 0) continue;
      for (let x = 0; x < width; x++) out[i * width + x] += weight * plane[k * width + x];
    }
  }
  return out;
}

/**
 * `A · X · Bᵀ` for one plane, in plain JavaScript.
 *
 * @param plane `[height, width]`
 * @param rows `A`, `[outHeight, height]`
 * @param columns `B`, `[outWidth, width]`
 * @returns `[outHeight, outWidth]`
 */
export function resamplePlane(
  plane: Float32Array,
  width: number,
  rows: Float32Array,
  columns: Float32Array,
): Float32Array<ArrayBuffer> {
  return resampleColumns(resampleRows(plane, width, columns), columns.length / width, rows);
}
