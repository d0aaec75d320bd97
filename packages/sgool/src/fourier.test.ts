import { expect, it } from 'vitest';
import { fft, fftAxes } from './fourier.ts';
import { product } from './numbers.ts';
import { Generator } from './random/generator.ts';
import { openSafetensors, readTypedTensor } from './weights/formats/safetensors.ts';

const random = new Generator(11);
const noise = (length: number) => Float64Array.from(random.randn([length]));

/** The sum of the definition. */
function direct(re: Float64Array, im: Float64Array): { re: number[]; im: number[] } {
  const out = { re: [] as number[], im: [] as number[] };
  for (let k = 0; k < re.length; k++) {
    let [sumRe, sumIm] = [0, 0];
    for (let n = 0; n < re.length; n++) {
      const [c, s] = [Math.cos, Math.sin].map((f) => f((-2 * Math.PI * ((k * n) % re.length)) / re.length));
      sumRe += re[n] * c - im[n] * s;
      sumIm += re[n] * s + im[n] * c;
    }
    out.re.push(sumRe);
    out.im.push(sumIm);
  }
  return out;
}

const expectClose = (values: ArrayLike<number>, wanted: ArrayLike<number>) => {
  expect(values).toHaveLength(wanted.length);
  for (let i = 0; i < wanted.length; i++) expect(values[i]).toBeCloseTo(wanted[i], 10);
};

it.each([1, 2, 3, 5, 6, 8, 9, 12, 15, 24, 49, 72, 96])(
  'fft of %i numbers is the sum of the definition',
  (size) => {
    const [a, b] = [noise(size), noise(size)];
    const [re, im] = [a.slice(), b.slice()];
    fft(re, im);
    const wanted = direct(a, b);
    expectClose(re, wanted.re);
    expectClose(im, wanted.im);
    fft(re, im, true);
    expectClose(re, a);
    expectClose(im, b);
  },
);

it.each([
  [0, 0],
  [4, 8],
])('fft refuses lengths of %i and %i', (a, b) => {
  const message = `fft: needs two arrays of one length, 1 or more, got ${a} and ${b}`;
  expect(() => fft(new Float64Array(a), new Float64Array(b))).toThrow(new RangeError(message));
});

it('fftAxes over a square is the transform of NumPy, and its inverse undoes it', async () => {
  const fixture = await openSafetensors(
    new URL('../../../fixtures/data/saliency.safetensors', import.meta.url).pathname,
  );
  const numbers = async (name: string) =>
    Float64Array.from((await readTypedTensor(fixture, name)).data as Float32Array);
  const [wave, expected] = [await numbers('fourier.in'), await numbers('fourier.out')];
  const [re, im] = [wave.slice(0, 64), wave.slice(64)];
  fftAxes(re, im, [8, 8]);
  expectClose([...re, ...im], expected);
  fftAxes(re, im, [8, 8], true);
  expectClose([...re, ...im], wave);
});

it('fftAxes transforms each axis, and arrays behind one another by themselves', () => {
  const shape = [3, 4, 5];
  const size = product(shape);
  const all = noise(2 * size);
  const [re, im] = [all.slice(), new Float64Array(2 * size)];
  fftAxes(re, im, shape);
  for (const [z, y, x] of [
    [0, 0, 0],
    [2, 1, 3],
    [1, 3, 4],
  ]) {
    for (const half of [0, 1]) {
      let [sumRe, sumIm] = [0, 0];
      for (let i = 0; i < size; i++) {
        const [c, b, a] = [Math.floor(i / 20), Math.floor(i / 5) % 4, i % 5];
        const angle = -2 * Math.PI * ((z * c) / 3 + (y * b) / 4 + (x * a) / 5);
        sumRe += all[half * size + i] * Math.cos(angle);
        sumIm += all[half * size + i] * Math.sin(angle);
      }
      const at = half * size + z * 20 + y * 5 + x;
      expect(re[at]).toBeCloseTo(sumRe, 10);
      expect(im[at]).toBeCloseTo(sumIm, 10);
    }
  }
  fftAxes(re, im, shape, true);
  expectClose(re, all);
});
