/** @file Resampling of eight-bit images with Pillow's integer arithmetic, level for level. */
import { clamp } from '../numbers.ts';

/** Pillow multiplies its weights by this factor and rounds them to integers. */
const ONE = 2 ** 22;

/** One row of a resampling matrix: where its weights begin, and Pillow's integers for them. */
interface Kernel {
  readonly first: number;
  readonly weights: Float64Array;
}

function kernels(matrix: Float32Array, length: number): Kernel[] {
  return Array.from({ length: matrix.length / length }, (_, i) => {
    const row = matrix.subarray(i * length, (i + 1) * length);
    const first = Math.max(
      0,
      row.findIndex((weight) => weight !== 0),
    );
    const end = row.findLastIndex((weight) => weight !== 0) + 1;
    const weights = Float64Array.from(
      row.subarray(first, Math.max(first, end)),
      (weight) => Math.sign(weight) * Math.round(Math.abs(weight) * ONE),
    );
    return { first, weights };
  });
}

/** One value of the result, from the line that begins at `start` with `step` between its values. */
function resampled(from: Uint8Array, { first, weights }: Kernel, start: number, step: number): number {
  let sum = ONE / 2;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * from[start + (first + k) * step];
  return clamp(Math.floor(sum / ONE), 0, 255);
}

/**
 * `A · X · Bᵀ` for one plane of whole levels: first along the rows, then along the columns, each rounded and clipped to a
 * byte, as `Image.resize` does.
 *
 * Reference: Pillow, src/libImaging/Resample.c, ImagingResampleHorizontal_8bpc and ImagingResampleVertical_8bpc
 *
 * @param plane `[height, width]`
 * @param rows `A`, `[outHeight, height]`
 * @param columns `B`, `[outWidth, width]`
 * @returns `[outHeight, outWidth]`
 */
export function resampleLevels(
  plane: Uint8Array,
  width: number,
  rows: Float32Array,
  columns: Float32Array,
): Uint8Array {
  const height = plane.length / width;
  const across = kernels(columns, width);
  const down = kernels(rows, height);
  const outWidth = across.length;
  const narrow = new Uint8Array(height * outWidth);
  for (let y = 0; y < height; y++) {
    for (let j = 0; j < outWidth; j++) narrow[y * outWidth + j] = resampled(plane, across[j], y * width, 1);
  }
  const out = new Uint8Array(down.length * outWidth);
  for (let i = 0; i < down.length; i++) {
    for (let x = 0; x < outWidth; x++) out[i * outWidth + x] = resampled(narrow, down[i], x, outWidth);
  }
  return out;
}
