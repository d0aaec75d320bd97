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
import { fftAxes } from '../../fourier.ts';
import { product, sum } from '../../numbers.ts';

const ORDER = 4;
const STOP = 0.25;

/** What the filter lets pass of a frequency, given the square of its distance from 0. */
const passed = (square: number): number => 1 / (1 + (square / STOP ** 2) ** ORDER);

/** Frequencies of an axis of N numbers, from -1 to below 1, in the order of a Fourier transform. */
const frequencies = (length: number): number[] =>
  Array.from({ length }, (_, k) => (2 * (k < Math.ceil(length / 2) ? k : k - length)) / length);

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
  const size = product(axes);
  const share = shares(axes);
  const mixed = Float64Array.from(high);
  // The filter takes real numbers to real ones, so a second channel travels as the imaginary part of the first.
  for (let first = 0; first < low.length; first += 2 * size) {
    const pair = [first, first + size].filter((start) => start < low.length);
    const [re, im = new Float64Array(size)] = pair.map((start) =>
      Float64Array.from({ length: size }, (_, i) => low[start + i] - high[start + i]),
    );
    fftAxes(re, im, axes);
    for (let i = 0; i < size; i++) {
      re[i] *= share[i];
      im[i] *= share[i];
    }
    fftAxes(re, im, axes, true);
    pair.forEach((start, part) => {
      const change = part === 0 ? re : im;
      for (let i = 0; i < size; i++) mixed[start + i] += change[i];
    });
  }
  return mixed;
}

/** What passes of each frequency, in the order of a transform over the axes. */
function shares(axes: readonly number[]): Float64Array {
  const squares = axes.map((length) => frequencies(length).map((frequency) => frequency ** 2));
  const strides = axes.map((_, axis) => product(axes.slice(axis + 1)));
  return Float64Array.from({ length: product(axes) }, (_, i) =>
    passed(sum(axes.map((length, axis) => squares[axis][Math.floor(i / strides[axis]) % length]))),
  );
}
