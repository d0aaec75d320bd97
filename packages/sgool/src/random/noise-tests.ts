/**
 * @file Whether noise still looks like noise. A network was trained on independent standard normal numbers; a method that moves the
 * noise can leave them, and its images then owe something to that.
 */
import { product, sum } from '../numbers.ts';

/** How far noise is from independent standard normal numbers, in standard deviations: of such noise 19 in 20 are within 2. */
export interface NoiseTests {
  /** Of its squared norm, which is chi-square with as many degrees of freedom as there are numbers. Above 0: too long. */
  readonly norm: number;
  /**
   * Of the means of its patches of 8 x 8, whose squares, times the number of elements, add up to a chi-square with as many
   * degrees of freedom as there are patches. Above 0: it has large shapes, as pictures do.
   */
  readonly patches: number;
}

/** Side of a patch. */
const SIDE = 8;

/**
 * Tests noise.
 *
 * @param shape of the noise, the last two sides being height and width; of any rank from 2 on. Patches at the lower and the right edge
 *   may be smaller
 */
export function noiseTests(noise: Float64Array, shape: readonly number[]): NoiseTests {
  const [height, width] = shape.slice(-2);
  const planes = product(shape.slice(0, -2));
  let patches = 0;
  let squares = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let top = 0; top < height; top += SIDE) {
      for (let left = 0; left < width; left += SIDE) {
        const [bottom, right] = [Math.min(top + SIDE, height), Math.min(left + SIDE, width)];
        let total = 0;
        for (let y = top; y < bottom; y++) {
          const row = (plane * height + y) * width;
          total += sum(noise.subarray(row + left, row + right));
        }
        patches++;
        squares += total ** 2 / ((bottom - top) * (right - left));
      }
    }
  }
  const squaredNorm = noise.reduce((total, value) => total + value * value, 0);
  return {
    norm: chiSquareDeviation(squaredNorm, noise.length),
    patches: chiSquareDeviation(squares, patches),
  };
}

/**
 * A chi-square value as a standard normal one.
 *
 * Reference: Wilson and Hilferty 1931, "The Distribution of Chi-Square": the cube root is about normal.
 */
export function chiSquareDeviation(value: number, freedom: number): number {
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(value / freedom) - (1 - spread)) / Math.sqrt(spread);
}
