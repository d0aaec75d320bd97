/**
 * Pictures that take more than they show, are damaged, or are stored in a rare way: each is read right, or refused in one line within
 * seconds.
 */
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { Generator } from '../random/generator.ts';
import type { Image } from './image.ts';
import { encodePng } from './png.ts';
import { PNG_SIGNATURE, pngChunk } from './png-chunk.ts';
import { decodeImage, MAX_DECODING_BYTES } from './read-image.ts';

const [RED, GREEN, BLUE] = [
  [220, 40, 60],
  [30, 200, 80],
  [50, 70, 210],
];

/** Four by two pixels: red, green, blue, red; then all blue. */
const PIXELS = [RED, GREEN, BLUE, RED, BLUE, BLUE, BLUE, BLUE];
const small = () => sharp(Uint8Array.from(PIXELS.flat()), { raw: { width: 4, height: 2, channels: 3 } });
/** Large enough that a lossy format has something to lose. */
const scaled = () => small().resize(64, 32, { kernel: 'nearest' });

const pixel = ({ width, data }: Image, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x)).subarray(0, 3),
];
const at = (image: Image, x: number, y: number) =>
  pixel(image, Math.floor(((x + 0.5) * image.width) / 4), Math.floor(((y + 0.5) * image.height) / 2));

function header(width: number, height: number, depth: number, colour: number, interlaced = 0): Uint8Array {
  const content = new Uint8Array(13);
  const view = new DataView(content.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  content.set([depth, colour, 0, 0, interlaced], 8);
  return pngChunk('IHDR', content);
}

const png = (ihdr: Uint8Array, data: Uint8Array, ...before: Uint8Array[]) =>
  new Uint8Array(
    Buffer.concat([
      PNG_SIGNATURE,
      ihdr,
      ...before,
      pngChunk('IDAT', deflateSync(data)),
      pngChunk('IEND', new Uint8Array()),
    ]),
  );

/** The lines of a run that ends as a user's mistake, or what it gave. */
async function outcome(file: Uint8Array): Promise<Image | string> {
  try {
    return await decodeImage(file, 'x');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as Error;
    expect(message).toMatch(/^cannot read x: [^\n\r]{5,400}$/);
    return message;
  }
}

describe('formats', () => {
  const stored: readonly (readonly [string, () => Sharp, number])[] = [
    ['PNG', () => scaled().png(), 0],
    ['PNG, interlaced', () => scaled().png({ progressive: true }), 0],
    ['PNG, palette', () => scaled().png({ palette: true }), 8],
    ['PNG, 16 bits', () => scaled().toColourspace('rgb16').png(), 1],
    ['PNG, opaque alpha', () => scaled().ensureAlpha().png(), 0],
    ['JPEG', () => scaled().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }), 12],
    ['JPEG, progressive', () => scaled().jpeg({ quality: 100, progressive: true }), 12],
    // A press has no such blue.
    ['JPEG, CMYK', () => scaled().toColourspace('cmyk').jpeg({ quality: 100 }), 80],
    ['WebP', () => scaled().webp({ quality: 100 }), 12],
    ['WebP, lossless', () => scaled().webp({ lossless: true }), 0],
    ['GIF', () => scaled().gif(), 8],
    ['TIFF', () => scaled().tiff({ compression: 'none' }), 0],
    [
      'TIFF, LZW, tiles',
      () => scaled().tiff({ compression: 'lzw', tile: true, tileWidth: 16, tileHeight: 16 }),
      0,
    ],
    ['TIFF, 16 bits', () => scaled().toColourspace('rgb16').tiff({ compression: 'deflate' }), 1],
    ['TIFF, CMYK', () => scaled().toColourspace('cmyk').tiff({ compression: 'deflate' }), 80],
    ['AVIF', () => scaled().avif({ quality: 100, chromaSubsampling: '4:4:4' }), 12],
  ];

  it.each(stored)('%s is read with its colours', async (_, make, most) => {
    const image = (await outcome(new Uint8Array(await make().toBuffer()))) as Image;
    expect([image.width, image.height, image.data.length]).toEqual([64, 32, 64 * 32 * 3]);
    for (const [i, colour] of PIXELS.entries()) {
      const found = at(image, i % 4, Math.floor(i / 4));
      for (const [c, value] of found.entries()) expect(Math.abs(value - colour[c])).toBeLessThanOrEqual(most);
    }
  });

  it.each(stored)('%s that is cut off anywhere ends in one line', async (_, make) => {
    const whole = new Uint8Array(await make().toBuffer());
    for (let i = 0; i < 40; i++) await outcome(whole.subarray(0, Math.floor((whole.length * i) / 40)));
    expect(await outcome(whole.subarray(0, Math.floor(whole.length / 2)))).toMatch(/^cannot read x/);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('EXIF orientation %i is turned upright', async (orientation) => {
    const file = await scaled().withMetadata({ orientation }).png().toBuffer();
    const image = (await outcome(new Uint8Array(file))) as Image;
    const turned = orientation >= 5;
    expect([image.width, image.height]).toEqual(turned ? [32, 64] : [64, 32]);
    // Where the first pixel of the file, the end of its first row, and the begin of its last row are shown.
    const [right, bottom] = [image.width - 1, image.height - 1];
    const corners = {
      1: [
        [0, 0],
        [right, 0],
        [0, bottom],
      ],
      2: [
        [right, 0],
        [0, 0],
        [right, bottom],
      ],
      3: [
        [right, bottom],
        [0, bottom],
        [right, 0],
      ],
      4: [
        [0, bottom],
        [right, bottom],
        [0, 0],
      ],
      5: [
        [0, 0],
        [0, bottom],
        [right, 0],
      ],
      6: [
        [right, 0],
        [right, bottom],
        [0, 0],
      ],
      7: [
        [right, bottom],
        [right, 0],
        [0, bottom],
      ],
      8: [
        [0, bottom],
        [0, 0],
        [right, bottom],
      ],
    }[orientation] as number[][];
    expect(corners.map(([x, y]) => pixel(image, x, y))).toEqual([RED, RED, BLUE]);
    const middle = pixel(image, Math.floor(image.width * 0.45), Math.floor(image.height * 0.45));
    expect([GREEN, BLUE]).toContainEqual(middle);
  });

  it('grey and alpha are composited, in 8 and 16 bits', async () => {
    // Black with alpha 0, 51 and 255; one row.
    const eight = png(header(3, 1, 8, 4), Uint8Array.of(0, 0, 0, 0, 51, 0, 255));
    const sixteen = png(header(3, 1, 16, 4), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 51, 51, 0, 0, 255, 255));
    for (const file of [eight, sixteen]) {
      const { data } = (await outcome(file)) as Image;
      expect([...data]).toEqual([255, 255, 255, 204, 204, 204, 0, 0, 0]);
      const dark = await decodeImage(file, 'x', { background: '#000000' });
      expect([...dark.data]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
  });

  it.each([
    [1, [0b01000000], [0, 255]],
    [2, [0b00110000], [0, 255]],
    [4, [0x0f], [0, 255]],
    [8, [0, 255], [0, 255]],
    [16, [0, 0, 255, 255], [0, 255]],
  ])('grey of %i bits', async (depth, row, levels) => {
    const { data } = (await outcome(png(header(2, 1, depth, 0), Uint8Array.of(0, ...row)))) as Image;
    expect([...data]).toEqual(levels.flatMap((level) => [level, level, level]));
  });

  it('a palette with transparency', async () => {
    const file = png(
      header(2, 1, 8, 3),
      Uint8Array.of(0, 0, 1),
      pngChunk('PLTE', Uint8Array.of(...RED, ...GREEN)),
      pngChunk('tRNS', Uint8Array.of(0)),
    );
    expect([...((await outcome(file)) as Image).data]).toEqual([255, 255, 255, ...GREEN]);
  });
});

describe('more than it shows', () => {
  const drawing =
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>';
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
  let frames: Record<'webp' | 'gif' | 'tiff', Uint8Array>;
  beforeAll(async () => {
    const raw = Uint8Array.from([RED, GREEN, BLUE].flatMap((colour) => Array(64).fill(colour).flat()));
    const joined = () => sharp(raw, { raw: { width: 8, height: 24, channels: 3, pageHeight: 8 } });
    frames = {
      webp: new Uint8Array(
        await joined()
          .webp({ loop: 0, delay: [10, 20, 30] })
          .toBuffer(),
      ),
      gif: new Uint8Array(
        await joined()
          .gif({ keepDuplicateFrames: true, delay: [10, 20, 30] })
          .toBuffer(),
      ),
      tiff: new Uint8Array(await joined().tiff({ compression: 'none' }).toBuffer()),
    };
  });

  it.each(['webp', 'gif'] as const)(
    'an animation is refused, not shown by its first frame: %s',
    async (kind) => {
      expect(await outcome(frames[kind])).toBe(
        'cannot read x: a clip, where a single image is needed; save one of its frames as a PNG (sgool refine, sgool score and sgool saliency take clips)',
      );
    },
  );

  it('pages are refused', async () => {
    expect(await outcome(frames.tiff)).toBe('cannot read x: 3 pages; save one of them as a PNG');
  });

  it('an animated PNG is refused, one of a single frame is not', async () => {
    const still = encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3) });
    const withFrames = (count: number) => {
      const control = pngChunk('acTL', Uint8Array.of(0, 0, 0, count, 0, 0, 0, 0));
      return new Uint8Array(Buffer.concat([still.subarray(0, 33), control, still.subarray(33)]));
    };
    expect(await outcome(withFrames(2))).toBe(
      'cannot read x: a clip, where a single image is needed; save one of its frames as a PNG (sgool refine, sgool score and sgool saliency take clips)',
    );
    expect(await outcome(withFrames(1))).toMatchObject({ width: 1 });
  });

  it('a GIF of a million frames is refused without a record of each', async () => {
    const head = bytes('GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff');
    const frame = bytes('\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0');
    const file = Buffer.concat([head, Buffer.alloc(1e6 * frame.length, frame), bytes(';')]);
    const before = process.resourceUsage().maxRSS;
    expect(await outcome(new Uint8Array(file))).toContain('a clip, where a single image is needed');
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(60e3);
  });

  it.each([
    ['65535 x 65535 in 60 kB', header(65_535, 65_535, 8, 2), 'is more than 67108864 pixels'],
    ['65535 x 65535 of one bit', header(65_535, 65_535, 1, 0), 'is more than 67108864 pixels'],
    ['a side of 2^31 - 1', header(2 ** 31 - 1, 1, 8, 2), /^cannot read x: /],
    ['16-bit colours and alpha, interlaced', header(8192, 8192, 16, 6, 1), 'needs 739 MB to be decoded'],
    ['interlaced', header(8192, 8192, 8, 2, 1), 'needs 403 MB to be decoded'],
  ])('a PNG of %s is refused before it is decoded', async (_, ihdr, message) => {
    const before = process.resourceUsage().maxRSS;
    const started = performance.now();
    const said = await outcome(png(ihdr, new Uint8Array(60e6)));
    expect(said).toMatch(message);
    expect(performance.now() - started).toBeLessThan(5000);
    // The 60 MB are this test's own.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(200e3);
  });

  it('the most memory leaves room for the program below 500 MB', () => {
    expect(MAX_DECODING_BYTES).toBeLessThanOrEqual(400e6);
  });

  it.each([
    ['behind 5000 spaces', `${' '.repeat(5000)}${drawing}`],
    ['behind a text', `hello ${drawing}`],
    ['in another element', `<a>${drawing}</a>`],
    ['with a name space', drawing.replaceAll('svg', 'x:svg')],
    ['in UTF-16', Buffer.from(`\ufeff${drawing}`, 'utf16le').toString('latin1')],
    ['a PDF', '%PDF-1.4\n1 0 obj'],
    ['PostScript', '%!PS-Adobe-3.0'],
    ['an image of libvips', '\x08\xf2\xa6\xb6'.padEnd(100, '\0')],
    ['a FITS file', 'SIMPLE  =                    T'],
    ['nothing', ''],
    ['a zip', 'PK\x03\x04'],
  ])('what can compute, or is no picture, never reaches a decoder: %s', async (_, text) => {
    expect(await outcome(bytes(text))).toMatch(/which is not read|its format is unknown|it is empty/);
  });

  it('a colour profile that unpacks to 400 MB costs no more than its file', async () => {
    const packed = deflateSync(new Uint8Array(100e6));
    const profile = pngChunk('iCCP', Buffer.concat([bytes('icc\0\0'), packed]));
    const before = process.resourceUsage().maxRSS;
    await outcome(png(header(1, 1, 8, 2), Uint8Array.of(0, 1, 2, 3), profile));
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(60e3);
  });

  it.each([
    ['P6 65535 1000 255\n', 'P6'],
    ['P4 8192 8192\n', 'P4'],
    ['P1 8192 8192\n', 'P1'],
  ])('%j with no pixels is cut off, before memory is taken for them', async (text) => {
    const before = process.resourceUsage().maxRSS;
    expect(await outcome(bytes(text))).toContain('the file is cut off');
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(60e3);
  });
});

describe('damaged pictures', () => {
  it('hundreds of them end in one line each, or are read', async () => {
    const seeds = await Promise.all(
      [
        scaled().png(),
        scaled().png({ palette: true, progressive: true }),
        scaled().jpeg({ progressive: true }).withMetadata({ orientation: 6 }),
        scaled().webp(),
        scaled().gif(),
        scaled().tiff({ compression: 'lzw' }),
      ].map(async (one) => new Uint8Array(await one.toBuffer())),
    );
    const random = new Generator(12);
    const below = (limit: number) => Math.floor(random.rand([1])[0] * limit);
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      const file = new Uint8Array(seeds[i % seeds.length]);
      for (let n = 0; n <= below(4); n++) file[below(file.length)] = below(256);
      const started = performance.now();
      if (typeof (await outcome(file)) === 'string') refused++;
      expect(performance.now() - started).toBeLessThan(5000);
    }
    expect(refused).toBeGreaterThan(100);
  });
});
