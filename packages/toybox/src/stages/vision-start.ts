/**
 * @file First weights of a CLIP's image tower, so that a small transformer with few images need not learn first what patches look
 * like and where they are. Training changes both.
 */

import { CLIP_STD } from 'sgool/networks';
import { IMAGE, TRAINING_POOLS, trainingScenes } from '../train/scenes.ts';

/** Colour axes: brightness, red against blue, green against both. */
const AXES = [
  [1, 1, 1],
  [1, 0, -1],
  [-0.5, 1, -0.5],
].map((axis) => axis.map((v) => v / Math.hypot(...axis)));

/** Added to the standard deviation of a pattern (pixels in 0..1), so that rare fine detail is not amplified as much as the rest. */
const LEAST_DEVIATION = 0.08;

/**
 * Kernels `[width, 3, patch, patch]` of the patch embedding: the lowest cosine patterns, half of them of brightness and
 * a quarter of each colour axis, each divided by its standard deviation over training images. For pixels that are normalised like
 * CLIP's, whose responses are then about 1.
 */
export function cosinePatches(width: number, patch: number): Float32Array {
  const cosines = Array.from({ length: patch }, (_, u) =>
    Float64Array.from(
      { length: patch },
      (_, x) => Math.cos((Math.PI * (x + 0.5) * u) / patch) * Math.sqrt((u === 0 ? 1 : 2) / patch),
    ),
  );
  const frequencies = Array.from(
    { length: patch * patch },
    (_, i) => [Math.floor(i / patch), i % patch] as const,
  );
  frequencies.sort(([u, v], [s, t]) => u * u + v * v - (s * s + t * t));
  const quarter = Math.floor(width / 4);
  const size = 3 * patch * patch;
  const kernels = new Float32Array(width * size);
  for (let row = 0; row < width; row++) {
    const axis = row < width - 2 * quarter ? 0 : row < width - quarter ? 1 : 2;
    const [u, v] = frequencies[row - [0, width - 2 * quarter, width - quarter][axis]];
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < patch; y++) {
        for (let x = 0; x < patch; x++) {
          kernels[row * size + (c * patch + y) * patch + x] = AXES[axis][c] * cosines[u][y] * cosines[v][x];
        }
      }
    }
  }
  const deviations = spread(kernels, width, patch);
  return kernels.map((value, i) => {
    const channel = Math.floor((i % size) / (patch * patch));
    return (value * CLIP_STD[channel]) / (deviations[Math.floor(i / size)] + LEAST_DEVIATION);
  });
}

/** Standard deviation of each kernel's response over the patches of some training images. */
function spread(kernels: Float32Array, width: number, patch: number): Float64Array {
  const size = 3 * patch * patch;
  const sums = new Float64Array(width);
  const squares = new Float64Array(width);
  const cells = Math.floor(IMAGE / patch);
  const values = new Float64Array(size);
  for (const { image } of trainingScenes(TRAINING_POOLS.visionStart)) {
    for (let cell = 0; cell < cells * cells; cell++) {
      const [top, left] = [Math.floor(cell / cells) * patch, (cell % cells) * patch];
      for (let i = 0; i < size; i++) {
        const [c, y, x] = [Math.floor(i / (patch * patch)), Math.floor(i / patch) % patch, i % patch];
        values[i] = image[3 * ((top + y) * IMAGE + left + x) + c] / 255;
      }
      for (let row = 0; row < width; row++) {
        let answer = 0;
        for (let i = 0; i < size; i++) answer += kernels[row * size + i] * values[i];
        sums[row] += answer;
        squares[row] += answer * answer;
      }
    }
  }
  const count = TRAINING_POOLS.visionStart.count * cells * cells;
  return squares.map((square, row) => Math.sqrt(Math.max(0, square / count - (sums[row] / count) ** 2)));
}

/**
 * Positions of the patches of a `grid` x `grid` image as sines and cosines of column and row (Vaswani et al. 2017, with
 * wavelengths fit for small grids), `[1 + grid * grid, width]`; the first row, which belongs to no patch, is 0.
 */
export function sinePlaces(width: number, grid: number): Float32Array {
  const quarter = Math.floor(width / 4);
  const places = new Float32Array((1 + grid * grid) * width);
  for (let cell = 0; cell < grid * grid; cell++) {
    const at = (1 + cell) * width;
    for (let k = 0; k < quarter; k++) {
      const frequency = 100 ** (-k / quarter);
      const [column, row] = [(cell % grid) * frequency, Math.floor(cell / grid) * frequency];
      [Math.sin(column), Math.cos(column), Math.sin(row), Math.cos(row)].forEach((value, part) => {
        places[at + part * quarter + k] = 0.5 * value;
      });
    }
  }
  return places;
}
