/**
 * @file The low frequencies of one latent with the high ones of another, over frames, height and width.
 *
 *     z = high + F^{-1}( P · F(low - high) )        P(k) = 1 / (1 + (|ν|² / s²)^n),  ν = 2 k / N on each axis
 *
 * A Butterworth filter of order n = 4 that lets pass what lies below s = 0.25 of the highest frequency of each axis. Frequencies count from -N/2, so
 * that an odd number of frames has its mean at 0, too, and one frame has only that.
 *
 * Reference: Wu et al. 2024, "FreeInit: Bridging Initialization Gap in Video Diffusion Models", section 4.2; diffusers, pipelines/free_init_utils.py, for even
 * numbers of frames. There the frequencies of odd numbers lie off their centre.
 */
import { product } from '../../numbers.ts';

const ORDER = 4;
const STOP = 0.25;

/** What the filter lets pass of a frequency, given the square of its distance from 0. */
const passed = (square: number): number => 1 / (1 + (square / STOP ** 2) ** ORDER);

/** Frequencies of an axis of N numbers, from -1 to below 1, in the order of a Fourier transform. */
const frequencies = (length: number): number[] =>
  Array.from({ length }, (_, k) => (2 * (k < Math.ceil(length / 2) ? k : k - length)) / length);

/** Complex numbers as two arrays. */
interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Transforms one axis: `length` numbers that lie `stride` apart; the others stand still. Sizes are small, and need not be powers of two. */
function transformAxis({ re, im }: Spectrum, length: number, stride: number, sign: 1 | -1): Spectrum {
  const out = { re: new Float64Array(re.length), im: new Float64Array(im.length) };
  const cosines = Float64Array.from({ length }, (_, i) => Math.cos((2 * Math.PI * i) / length));
  const sines = Float64Array.from({ length }, (_, i) => sign * Math.sin((2 * Math.PI * i) / length));
  for (let block = 0; block < re.length; block += length * stride) {
    for (let offset = block; offset < block + stride; offset++) {
      for (let k = 0; k < length; k++) {
        let [sumRe, sumIm] = [0, 0];
        for (let n = 0; n < length; n++) {
          const at = offset + n * stride;
          const turn = (k * n) % length;
          sumRe += re[at] * cosines[turn] - im[at] * sines[turn];
          sumIm += re[at] * sines[turn] + im[at] * cosines[turn];
        }
        out.re[offset + k * stride] = sumRe;
        out.im[offset + k * stride] = sumIm;
      }
    }
  }
  return out;
}

/**
 * Mixes two latents.
 *
 * @param low gives the low frequencies
 * @param high gives the high ones
 * @param shape of both: `[1, channels, frames, height, width]`, or of a picture `[1, channels, height, width]`
 */
export function mixFrequencies(
  low: Float64Array,
  high: Float64Array,
  shape: readonly number[],
): Float64Array {
  const axes = shape.slice(2);
  const strides = axes.map((_, axis) => product(axes.slice(axis + 1)));
  const transformed = (from: Spectrum, sign: 1 | -1) =>
    axes.reduce((all, length, axis) => transformAxis(all, length, strides[axis], sign), from);
  const difference = low.map((value, i) => value - high[i]);
  const { re, im } = transformed({ re: difference, im: new Float64Array(low.length) }, -1);
  const squares = axes.map((length) => frequencies(length).map((frequency) => frequency ** 2));
  const size = product(axes);
  for (let i = 0; i < re.length; i++) {
    const square = axes.reduce(
      (sum, length, axis) => sum + squares[axis][Math.floor((i % size) / strides[axis]) % length],
      0,
    );
    const share = passed(square) / size;
    re[i] *= share;
    im[i] *= share;
  }
  const back = transformed({ re, im }, 1);
  return high.map((value, i) => value + back.re[i]);
}
