/** @file A small fast Fourier transform: complex numbers in two arrays, sizes that are powers of two. */

/**
 * Transforms in place.
 *
 * @param inverse divides by the length, so that the two directions undo each other
 */
export function fft(re: Float64Array, im: Float64Array, inverse = false): void {
  const size = re.length;
  if (size === 0 || (size & (size - 1)) !== 0 || im.length !== size) {
    throw new RangeError(`fft: the length must be a power of two, got ${size} and ${im.length}`);
  }
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let span = 2; span <= size; span *= 2) {
    const angle = ((inverse ? 2 : -2) * Math.PI) / span;
    for (let k = 0; k < span / 2; k++) {
      const [cosine, sine] = [Math.cos(angle * k), Math.sin(angle * k)];
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
  if (inverse) {
    for (let i = 0; i < size; i++) {
      re[i] /= size;
      im[i] /= size;
    }
  }
}

/** Transforms a square `[side, side]` in place, rows then columns. */
export function fft2(re: Float64Array, im: Float64Array, side: number, inverse = false): void {
  for (let y = 0; y < side; y++) {
    fft(re.subarray(y * side, (y + 1) * side), im.subarray(y * side, (y + 1) * side), inverse);
  }
  const columnRe = new Float64Array(side);
  const columnIm = new Float64Array(side);
  for (let x = 0; x < side; x++) {
    for (let y = 0; y < side; y++) {
      columnRe[y] = re[y * side + x];
      columnIm[y] = im[y * side + x];
    }
    fft(columnRe, columnIm, inverse);
    for (let y = 0; y < side; y++) {
      re[y * side + x] = columnRe[y];
      im[y * side + x] = columnIm[y];
    }
  }
}
