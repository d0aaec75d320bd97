/**
 * @file Spectral residual: saliency from the spectrum of a small grey copy of the image. It needs no weights.
 *
 * Reference: Hou and Zhang 2007, "Saliency Detection: A Spectral Residual Approach", equations 3-9 (64 pixels, a 3x3 mean of
 * the log spectrum, Gaussian smoothing of the squared result).
 */

import { fftAxes } from '../fourier.ts';
import { type Image, planesFromImage } from '../image/image.ts';
import { bilinearMatrix, resampleMatrix, resamplePlane } from '../image/resample.ts';
import { maximum } from '../numbers.ts';
import { type Detector, minMaxNormalise } from './detector.ts';

const SIDE = 64;
const SMOOTHING = 2.5;

/** The saliency model `spectral-residual`. */
export function spectralResidual(): Detector {
  return {
    name: 'spectral-residual',
    async map(image) {
      const { width, height } = image;
      const small = minMaxNormalise(smoothed(residual(greyCopy(image))));
      const enlarged = resamplePlane(small, SIDE, bilinearMatrix(SIDE, height), bilinearMatrix(SIDE, width));
      return { width, height, data: minMaxNormalise(enlarged) };
    },
  };
}

function greyCopy(image: Image): Float32Array {
  const { width, height } = image;
  const planes = planesFromImage(image);
  const size = width * height;
  const grey = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    grey[i] = 0.299 * planes[i] + 0.587 * planes[size + i] + 0.114 * planes[2 * size + i];
  }
  const filter = 'bilinear';
  return resamplePlane(
    grey,
    width,
    resampleMatrix(height, SIDE, { filter }),
    resampleMatrix(width, SIDE, { filter }),
  );
}

/** |F⁻¹(exp(R + iP))|², where R is the log amplitude less its local mean and P the phase. */
function residual(grey: Float32Array): Float32Array {
  const re = Float64Array.from(grey);
  const im = new Float64Array(grey.length);
  fftAxes(re, im, [SIDE, SIDE]);
  const amplitude = re.map((value, i) => Math.hypot(value, im[i]));
  // Frequencies that a plain image lacks contain only rounding noise, which must not be amplified.
  const floor = 1e-6 * maximum(amplitude);
  const log = amplitude.map((value) => Math.log(Math.max(value, floor)));
  const mean = localMean(log);
  for (let i = 0; i < re.length; i++) {
    const gain = amplitude[i] > floor ? Math.exp(log[i] - mean[i]) / amplitude[i] : 0;
    re[i] *= gain;
    im[i] *= gain;
  }
  fftAxes(re, im, [SIDE, SIDE], true);
  return Float32Array.from(re, (value, i) => value * value + im[i] * im[i]);
}

/** Mean over 3x3; the spectrum is periodic. */
function localMean(values: Float64Array): Float64Array {
  return values.map((_, at) => {
    const x = at % SIDE;
    const y = (at - x) / SIDE;
    let sum = 0;
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        sum += values[((y + dy + SIDE) % SIDE) * SIDE + ((x + dx + SIDE) % SIDE)];
      }
    }
    return sum / 9;
  });
}

/** Gaussian smoothing, as a product with a matrix on both sides; rows sum to 1 at the borders too. */
function smoothed(map: Float32Array): Float32Array {
  const matrix = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < SIDE; i++) {
    let sum = 0;
    for (let j = 0; j < SIDE; j++)
      sum += matrix[i * SIDE + j] = Math.exp(-((i - j) ** 2) / (2 * SMOOTHING ** 2));
    for (let j = 0; j < SIDE; j++) matrix[i * SIDE + j] /= sum;
  }
  return resamplePlane(map, SIDE, matrix, matrix);
}
