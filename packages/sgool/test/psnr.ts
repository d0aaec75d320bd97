import type { Image } from 'sgool';

/** Peak signal-to-noise ratio of eight-bit images in dB; infinite for the same bytes. */
export function psnr(a: Image, b: Image): number {
  const sum = a.data.reduce((total, value, i) => total + (value - b.data[i]) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.data.length) / sum);
}
