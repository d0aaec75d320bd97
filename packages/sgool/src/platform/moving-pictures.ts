/** @file Files of moving pictures on Node: animated WebP and GIF by sharp, MP4 by `h264.ts` (written) and `read-mp4.ts`. */
import { UserError } from '../errors.ts';
import { concatBytes } from './bytes.ts';
import { mp4Writer } from './h264.ts';
import { loadSharp } from './load-sharp.ts';
import type { MovingPictures } from './platform.ts';
import { isMp4, readMp4 } from './read-mp4.ts';

/** Bytes of a pixel while frames are decoded: with transparency, and without. */
const DECODING_BYTES = 4 + 3;
/** Delays of GIF are hundredths of a second. */
const GIF_MS = 10;
/** What browsers show a frame for that names no time. */
const DEFAULT_MS = 100;

export const movingPictures: MovingPictures = {
  async writer(format) {
    if (format === 'mp4') return mp4Writer();
    const sharp = await loadSharp();
    return async (video) => {
      const { frames, delays, quality, hasExif } = video;
      const [{ width, height }] = frames;
      const all = concatBytes(frames.map(({ data }) => data));
      const raw = { width, height: height * frames.length, channels: 3, pageHeight: height } as const;
      const timing = { loop: 0, delay: [...delays] };
      const image = sharp(all, { raw });
      if (format === 'gif') return bytesOf(image.gif(timing));
      const described = hasExif ? image.withExif({ IFD0: { Software: 'sgool' } }) : image;
      return bytesOf(
        described.webp({ ...timing, ...(quality === 'lossless' ? { lossless: true } : { quality }) }),
      );
    };
  },

  async decode(file, background, accept) {
    if (isMp4(file)) return readMp4(file, accept);
    const sharp = await loadSharp();
    const open = () => sharp(file, { limitInputPixels: false, failOn: 'error', animated: true });
    const { width, height: stacked, pages = 1, pageHeight, delay = [], format } = await open().metadata();
    if (format !== 'webp' && format !== 'gif') throw new UserError('no animation');
    const height = pageHeight ?? stacked / pages;
    accept(width, height, pages * DECODING_BYTES);
    const { data, info } = await open()
      .flatten({ background })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const size = 3 * info.width * height;
    const frames = Array.from({ length: pages }, (_, f) => ({
      width: info.width,
      height,
      data: new Uint8Array(data.buffer, data.byteOffset + f * size, size),
    }));
    return { frames, seconds: frames.map((_, f) => Math.max(delay[f] ?? DEFAULT_MS, GIF_MS) / 1000) };
  },
};

async function bytesOf(image: { toBuffer(): Promise<Buffer> }): Promise<Uint8Array> {
  const bytes = await image.toBuffer();
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
