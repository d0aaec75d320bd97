/**
 * @file Reading BMP files: 1 to 32 bits per pixel, with a palette or bit masks, not compressed.
 * Reference: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER)
 */
import { UserError } from '../errors.ts';
import type { AcceptSize, DecodedImage } from './decoded-image.ts';
import { type Colour, createImage } from './image.ts';

export const isBmp = (file: Uint8Array): boolean => file[0] === 0x42 && file[1] === 0x4d && file.length > 25;

/** Size of the header of OS/2, which has two-byte sides and three-byte colours. */
const CORE_HEADER = 12;
const PLAIN = 0;
const BIT_FIELDS = [3, 6];
const COMPRESSIONS: Readonly<Record<number, string>> = {
  1: 'RLE compression',
  2: 'RLE compression',
  4: 'a JPEG inside',
  5: 'a PNG inside',
};

const BLACK: Colour = [0, 0, 0];

/** Where the bits of a colour lie in a pixel. */
interface Channel {
  readonly shift: number;
  readonly most: number;
}

function channelOf(mask: number): Channel | undefined {
  if (mask === 0) return undefined;
  const shift = 31 - Math.clz32(mask & -mask);
  return { shift, most: mask >>> shift };
}

/**
 * Decodes the file.
 *
 * @param accept throws where the sides are too large
 * @throws UserError where it is compressed
 * @throws RangeError where it is cut off
 */
export function decodeBmp(file: Uint8Array, background: Colour, accept: AcceptSize): DecodedImage {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const dataStart = view.getUint32(10, true);
  const headerBytes = view.getUint32(14, true);
  const isCore = headerBytes === CORE_HEADER;
  const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
  const signedHeight = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = view.getUint16(isCore ? 24 : 28, true);
  const compression = isCore ? PLAIN : view.getUint32(30, true);
  if (width < 1 || height < 1) throw new RangeError(`a BMP of ${width} x ${height} pixels`);
  accept(width, height);
  const isMasked = BIT_FIELDS.includes(compression);
  if (!(compression === PLAIN || isMasked)) {
    throw new UserError(`a BMP with ${COMPRESSIONS[compression] ?? `compression ${compression}`}`);
  }
  const stride = Math.ceil((width * bits) / 32) * 4;
  const palette = bits <= 8 ? readPalette(view, { isCore, headerBytes, bits, dataStart }) : [];
  const [red, green, blue, alpha] = channelsOf(view, bits, isMasked, headerBytes);
  if (dataStart + stride * height > file.length) throw new RangeError('the file is cut off');
  const { data } = createImage(width, height);
  for (let row = 0; row < height; row++) {
    const y = signedHeight > 0 ? height - 1 - row : row;
    const start = dataStart + row * stride;
    for (let x = 0; x < width; x++) {
      const pixel = readPixel(view, start, x, bits);
      const to = 3 * (y * width + x);
      if (bits <= 8) {
        const colour = palette[pixel] ?? BLACK;
        for (let c = 0; c < 3; c++) data[to + c] = colour[c];
        continue;
      }
      const opacity = alpha === undefined ? 1 : level(pixel, alpha) / 255;
      for (const [c, channel] of [red, green, blue].entries()) {
        const value = channel === undefined ? 0 : level(pixel, channel);
        data[to + c] = Math.round(opacity * value + (1 - opacity) * background[c]);
      }
    }
  }
  return { width, height, data };
}

/** The bits of a channel as a level from 0 to 255. */
const level = (pixel: number, { shift, most }: Channel) =>
  Math.floor((((pixel >>> shift) & most) * 255) / most);

function readPixel(view: DataView, start: number, x: number, bits: number): number {
  if (bits === 32) return view.getUint32(start + 4 * x, true);
  if (bits === 24) {
    const at = start + 3 * x;
    return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  }
  if (bits === 16) return view.getUint16(start + 2 * x, true);
  const byte = view.getUint8(start + Math.floor((x * bits) / 8));
  return (byte >>> (8 - bits - ((x * bits) % 8))) & (2 ** bits - 1);
}

function channelsOf(view: DataView, bits: number, isMasked: boolean, headerBytes: number) {
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new UserError(`a BMP with ${bits} bits per pixel`);
  const masks = isMasked
    ? [0, 1, 2].map((i) => view.getUint32(54 + 4 * i, true))
    : bits === 16
      ? [0x7c00, 0x03e0, 0x001f]
      : [0xff0000, 0x00ff00, 0x0000ff];
  // Without masks the fourth byte of a pixel means nothing.
  const hasAlpha = isMasked && (headerBytes >= 56 || view.getUint32(30, true) === 6);
  return [...masks, hasAlpha ? view.getUint32(66, true) : 0].map(channelOf);
}

interface PalettePlace {
  readonly isCore: boolean;
  readonly headerBytes: number;
  readonly bits: number;
  readonly dataStart: number;
}

function readPalette(view: DataView, { isCore, headerBytes, bits, dataStart }: PalettePlace): Colour[] {
  const bytes = isCore ? 3 : 4;
  const start = 14 + headerBytes;
  const stated = isCore ? 0 : view.getUint32(46, true);
  const count = Math.min(stated || 2 ** bits, 2 ** bits, Math.floor((dataStart - start) / bytes));
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const at = start + i * bytes;
    return [view.getUint8(at + 2), view.getUint8(at + 1), view.getUint8(at)];
  });
}
