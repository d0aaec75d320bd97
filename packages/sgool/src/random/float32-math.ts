/**
 * @file Logarithm, sine and cosine in single precision, with the bits that torch's CPU kernels give on x86.
 *
 * torch draws normal numbers with the Cephes approximations in their AVX form. Its compiler fuses a product and the
 * sum that follows into one operation with one rounding; which ones it fuses decides the last bit. The choice below
 * reproduces torch 2.15 (AVX2 and AVX-512 machines) bit for bit; it was found by trying the possible ones against a million numbers.
 *
 * Reference: Moshier, Cephes library, single/logf.c and single/sinf.c (the coefficients)
 */

const f32 = Math.fround;

/**
 * `a * b + c` for float32 numbers with a single rounding.
 *
 * The product is exact in double precision and the sum is rounded twice, to double and to float32. That differs from
 * one rounding only when the double lies exactly between two float32 numbers and itself is not exact.
 */
function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const near = f32(sum);
  const off = sum - near;
  if (off === 0) return near;
  const other = near + 2 * off;
  if (f32(other) !== other) return near; // no tie
  const part = sum - product;
  const lost = product - (sum - part) + (c - part); // exact error of the sum (Knuth)
  if (lost === 0) return near;
  return lost > 0 === off > 0 ? other : near;
}

const SQRT_HALF = f32(Math.SQRT1_2);
const LOG_POLYNOMIAL = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f32);
/** ln 2 in two parts; the high one has few bits, so that its product with an exponent is exact. */
const LN2_LOW = f32(-2.1219444e-4);
const LN2_HIGH = f32(0.693359375);

const floatView = new Float32Array(1);
const bitView = new Uint32Array(floatView.buffer);

/** Natural logarithm of a positive, normal float32 number. */
export function log32(value: number): number {
  floatView[0] = value;
  let exponent = (bitView[0] >>> 23) - 126;
  bitView[0] = (bitView[0] & 0x007fffff) | 0x3f000000; // the significand, in [0.5, 1)
  let x = floatView[0];
  if (x < SQRT_HALF) {
    exponent -= 1;
    x = f32(f32(x - 1) + x);
  } else {
    x = f32(x - 1);
  }
  const square = f32(x * x);
  let y = LOG_POLYNOMIAL[0];
  for (let i = 1; i < LOG_POLYNOMIAL.length; i++) y = fma(y, x, LOG_POLYNOMIAL[i]);
  y = fma(f32(y * x), square, f32(exponent * LN2_LOW));
  y = fma(-square, 0.5, y);
  return fma(exponent, LN2_HIGH, f32(x + y));
}

const FOUR_OVER_PI = f32(1.27323954473516);
/** pi / 4 in three parts. */
const QUARTER_PI = [-0.78515625, -2.418756484985352e-4, -3.774894977445941e-8].map(f32);
const SINE = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(f32);
const COSINE = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(f32);

/**
 * Sine and cosine of an angle from 0 to 8192.
 *
 * @returns `[sine, cosine]`
 */
export function sinCos32(angle: number): [number, number] {
  const octant = (Math.trunc(f32(angle * FOUR_OVER_PI)) + 1) & ~1;
  let x = angle;
  for (const part of QUARTER_PI) x = fma(octant, part, x);
  const square = f32(x * x);

  let cosine = fma(fma(COSINE[0], square, COSINE[1]), square, COSINE[2]);
  cosine = f32(cosine * square);
  cosine = f32(fma(cosine, square, -f32(square * 0.5)) + 1);

  let sine = fma(fma(SINE[0], square, SINE[1]), square, SINE[2]);
  sine = fma(f32(sine * square), x, x);

  const swapped = (octant & 2) !== 0;
  const sineSign = (octant & 4) !== 0 ? -1 : 1;
  const cosineSign = ((octant - 2) & 4) === 0 ? -1 : 1;
  return swapped ? [sineSign * cosine, cosineSign * sine] : [sineSign * sine, cosineSign * cosine];
}
