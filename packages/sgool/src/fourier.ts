/**
 * @file The fast Fourier transform of complex numbers in two arrays, of any length and over any axes.
 *
 *     X[k + q N/p] = Σ_r W^(r (k + q N/p)) Y_r[k]        W = exp(-2πi / N),  Y_r the transform of x[r], x[r + p], x[r + 2p], ...
 *
 * Odd prime factors p of a length are taken out one after the other; what is left is a power of two, which is done in place.
 *
 * Reference: Cooley and Tukey 1965, "An Algorithm for the Machine Calculation of Complex Fourier Series"
 */

/**
 * Transforms in place. The work is in proportion to the length times the sum of its prime factors.
 *
 * @param inverse divides by the length, so that the two directions undo each other
 * @throws RangeError where there is no number, or the arrays have different lengths
 */
export function fft(re: Float64Array, im: Float64Array, inverse = false): void {
  const size = re.length;
  if (size === 0 || im.length !== size) {
    throw new RangeError(`fft: needs two arrays of one length, 1 or more, got ${size} and ${im.length}`);
  }
  transform(re, im, inverse ? 1 : -1);
  if (!inverse) return;
  for (let i = 0; i < size; i++) {
    re[i] /= size;
    im[i] /= size;
  }
}

/**
 * Transforms an array of a shape in place, along the last axis first.
 *
 * @param shape lengths of the axes; where the arrays hold several of them, one behind the other, each is transformed by itself
 * @param inverse as in {@link fft}
 */
export function fftAxes(re: Float64Array, im: Float64Array, shape: readonly number[], inverse = false): void {
  let stride = 1;
  for (const length of shape.toReversed()) {
    const lineRe = new Float64Array(length);
    const lineIm = new Float64Array(length);
    for (let block = 0; block < re.length; block += length * stride) {
      for (let start = block; start < block + stride; start++) {
        for (let i = 0, at = start; i < length; i++, at += stride) {
          lineRe[i] = re[at];
          lineIm[i] = im[at];
        }
        fft(lineRe, lineIm, inverse);
        for (let i = 0, at = start; i < length; i++, at += stride) {
          re[at] = lineRe[i];
          im[at] = lineIm[i];
        }
      }
    }
    stride *= length;
  }
}

interface Turns {
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

/** The turns of each length that was transformed: there are a handful, and each is needed for thousands of lines. */
const turns = new Map<number, Turns>();

/** Cosines and sines of 2π i / size. */
function turnsOf(size: number): Turns {
  const known = turns.get(size);
  if (known !== undefined) return known;
  const angles = Array.from({ length: size }, (_, i) => (2 * Math.PI * i) / size);
  const made = { cosines: Float64Array.from(angles, Math.cos), sines: Float64Array.from(angles, Math.sin) };
  turns.set(size, made);
  return made;
}

/** @param sign of the exponent */
function transform(re: Float64Array, im: Float64Array, sign: 1 | -1): void {
  const size = re.length;
  const p = oddFactor(size);
  if (p === 1) {
    powerOfTwo(re, im, sign);
    return;
  }
  const length = size / p;
  const parts = Array.from({ length: p }, (_, r) => {
    const part = { re: new Float64Array(length), im: new Float64Array(length) };
    for (let i = 0; i < length; i++) {
      part.re[i] = re[r + i * p];
      part.im[i] = im[r + i * p];
    }
    transform(part.re, part.im, sign);
    return part;
  });
  const { cosines, sines } = turnsOf(size);
  for (let k = 0; k < size; k++) {
    let [sumRe, sumIm] = [0, 0];
    for (let r = 0; r < p; r++) {
      const part = parts[r];
      const [a, b] = [part.re[k % length], part.im[k % length]];
      const turn = (r * k) % size;
      const sine = sign * sines[turn];
      sumRe += a * cosines[turn] - b * sine;
      sumIm += a * sine + b * cosines[turn];
    }
    re[k] = sumRe;
    im[k] = sumIm;
  }
}

/** The smallest odd prime factor; 1 of a power of two. */
function oddFactor(size: number): number {
  let odd = size;
  while (odd % 2 === 0) odd /= 2;
  for (let p = 3; p * p <= odd; p += 2) if (odd % p === 0) return p;
  return odd;
}

/** A power of two: butterflies over numbers in bit-reversed order. */
function powerOfTwo(re: Float64Array, im: Float64Array, sign: 1 | -1): void {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  const { cosines, sines } = turnsOf(size);
  for (let span = 2; span <= size; span *= 2) {
    for (let k = 0; k < span / 2; k++) {
      const turn = k * (size / span);
      const [cosine, sine] = [cosines[turn], sign * sines[turn]];
      for (let i = k; i < size; i += span) {
        const j = i + span / 2;
        const oddRe = re[j] * cosine - im[j] * sine;
        const oddIm = re[j] * sine + im[j] * cosine;
        re[j] = re[i] - oddRe;
        im[j] = im[i] - oddIm;
        re[i] += oddRe;
        im[i] += oddIm;
      }
    }
  }
}
