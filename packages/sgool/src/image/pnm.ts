/**
 * @file Reading portable pixmaps: PBM, PGM and PPM, as text (P1 to P3) or bytes (P4 to P6), up to 16 bits.
 * Reference: Netpbm, pbm(5), pgm(5), ppm(5)
 */
import { roundHalfToEven } from '../numbers.ts';
import type { AcceptSize, DecodedImage } from './decoded-image.ts';
import { createImage } from './image.ts';

const [SPACE, HASH, NEWLINE] = [0x20, 0x23, 0x0a];
const isSpace = (byte: number) => byte === SPACE || (byte >= 9 && byte <= 13);

export const isPnm = (file: Uint8Array): boolean =>
  file[0] === 0x50 && file[1] >= 0x31 && file[1] <= 0x36 && (isSpace(file[2]) || file[2] === HASH);

/** Reads numbers and bytes one after the other. */
class Reader {
  #at = 2;
  readonly #file: Uint8Array;

  constructor(file: Uint8Array) {
    this.#file = file;
  }

  byte(): number {
    if (this.#at >= this.#file.length) throw new RangeError('the file is cut off');
    return this.#file[this.#at++];
  }

  /** A number in digits. @param digits most of them; P1 may write its bits without spaces */
  number(digits = 10): number {
    let byte = this.byte();
    while (isSpace(byte) || byte === HASH) {
      if (byte === HASH) while (byte !== NEWLINE) byte = this.byte();
      byte = this.byte();
    }
    let value = 0;
    let length = 0;
    while (byte >= 0x30 && byte <= 0x39) {
      value = 10 * value + byte - 0x30;
      if (++length === digits || this.#at >= this.#file.length) break;
      byte = this.byte();
      // One space behind a number belongs to it.
      if (!(byte >= 0x30 && byte <= 0x39)) break;
    }
    if (length === 0) throw new RangeError('a number is missing');
    return value;
  }
}

/**
 * Decodes the first image of the file.
 *
 * @param accept throws where the sides are too large
 * @throws RangeError where the file is cut off, or its numbers make no sense
 */
export function decodePnm(file: Uint8Array, accept: AcceptSize): DecodedImage {
  const kind = file[1] - 0x30;
  const isText = kind <= 3;
  const isBitmap = kind === 1 || kind === 4;
  const reader = new Reader(file);
  const [width, height] = [reader.number(), reader.number()];
  if (width < 1 || height < 1) throw new RangeError(`an image of ${width} x ${height} pixels`);
  const most = isBitmap ? 1 : reader.number();
  if (most < 1 || most > 65_535) throw new RangeError(`a largest value of ${most}`);
  accept(width, height);
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const value = isText
    ? () => reader.number(isBitmap ? 1 : undefined)
    : most > 255
      ? () => reader.byte() * 256 + reader.byte()
      : () => reader.byte();
  const levels = Uint8Array.from({ length: most + 1 }, (_, raw) => {
    if (isBitmap) return raw === 0 ? 255 : 0;
    return roundHalfToEven((raw / most) * 255);
  });
  const toLevel = (raw: number) => levels[Math.min(raw, most)];
  // Each pixel has a bit, or in text a digit; before anything is allocated for them.
  if (width * height > file.length * (kind === 4 ? 8 : 1)) throw new RangeError('the file is cut off');
  const { data } = createImage(width, height);
  for (let y = 0; y < height; y++) {
    let bits = 0;
    for (let x = 0; x < width; x++) {
      const to = 3 * (y * width + x);
      if (kind === 4) {
        if (x % 8 === 0) bits = reader.byte();
        data[to] = data[to + 1] = data[to + 2] = toLevel((bits >> (7 - (x % 8))) & 1);
      } else if (channels === 3) {
        for (let c = 0; c < 3; c++) data[to + c] = toLevel(value());
      } else {
        data[to] = data[to + 1] = data[to + 2] = toLevel(value());
      }
    }
  }
  return { width, height, data };
}
