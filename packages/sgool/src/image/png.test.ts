import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { concatBytes } from '../platform/bytes.ts';
import { createImage, imageFromPlanes, planesFromImage } from './image.ts';
import { encodePng } from './png.ts';
import { pngChunk } from './png-chunk.ts';
import { readPngText } from './png-text.ts';
import { decodeImage, readImage } from './read-image.ts';

/** Smooth, with an edge and some noise: every row filter gets its turn. */
function sample(width: number, height: number) {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    return x * 3 + y * 2 + (i % 3) * 40 + (x > y ? 90 : 0) + ((i * 2654435761) % 7);
  });
  return createImage(width, height, data);
}

describe('encodePng', () => {
  it('comes back pixel for pixel through sharp', async () => {
    for (const [width, height] of [
      [1, 1],
      [33, 17],
      [64, 64],
    ]) {
      const image = sample(width, height);
      expect(await decodeImage(encodePng(image), 'sample')).toEqual(image);
    }
  });

  it("is deflated at zlib's default level", () => {
    const bytes = Buffer.from(encodePng(sample(64, 64)));
    const at = bytes.indexOf('IDAT') + 4;
    // RFC 1950: 0x9c holds level 2 of 3, the default.
    expect([...bytes.subarray(at, at + 2)]).toEqual([0x78, 0x9c]);
  });

  it('gives the same bytes each time', () => {
    expect(encodePng(sample(20, 20), { text: { a: 'b' } })).toEqual(
      encodePng(sample(20, 20), { text: { a: 'b' } }),
    );
  });

  it('carries Latin-1 and other text, and sharp finds it before the image', async () => {
    const text = { parameters: 'a café, red\nSteps: 2', sgool: '{"prompt":"一只猫 🐱"}' };
    const file = encodePng(sample(8, 8), { text });
    expect(readPngText(file)).toEqual(text);
    const { comments } = await sharp(file).metadata(); // sharp takes Latin-1 for UTF-8, so only the other is compared
    expect(comments?.map(({ keyword }) => keyword)).toEqual(['parameters', 'sgool']);
    expect(comments?.[1].text).toBe(text.sgool);
    expect(() => encodePng(sample(8, 8), { text: { '': 'x' } })).toThrow('cannot be stored');
  });
});

describe('readPngText', () => {
  it('skips what has no proper keyword', () => {
    const chunk = (content: string) => pngChunk('tEXt', Buffer.from(content, 'latin1'));
    const [start, end] = [
      encodePng(createImage(1, 1)).subarray(0, 33),
      encodePng(createImage(1, 1)).subarray(33),
    ];
    const file = (...contents: string[]) => concatBytes([start, ...contents.map(chunk), end]);
    expect(
      readPngText(file('a\0b', 'two\nlines\0b', `${'x'.repeat(80)}\0b`, `${'y'.repeat(79)}\0c`, '\0b')),
    ).toEqual({
      a: 'b',
      [`${'y'.repeat(79)}`]: 'c',
    });
  });

  it('unpacks compressed text and skips what is broken', () => {
    const file = Buffer.from(encodePng(sample(4, 4)));
    const packed = pngChunk('zTXt', Buffer.concat([Buffer.from('old\0\0', 'latin1'), deflateSync('packed')]));
    const international = Buffer.concat([
      Buffer.from('new\0\x01\0en\0\0', 'latin1'),
      deflateSync('gepackt ü'),
    ]);
    const broken = pngChunk('zTXt', Buffer.from('bad\0\0nonsense', 'latin1'));
    const noEnd = pngChunk('tEXt', Buffer.from('no end'));
    const chunks = [packed, pngChunk('iTXt', international), broken, noEnd];
    const whole = Buffer.concat([file.subarray(0, 33), ...chunks, file.subarray(33)]);
    expect(readPngText(whole)).toEqual({ old: 'packed', new: 'gepackt ü' });
    expect(readPngText(whole.subarray(0, 40))).toEqual({});
    expect(readPngText(Buffer.from('JFIF'))).toEqual({});
  });
});

describe('readImage', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-image-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('makes eight-bit RGB of grey, transparent and turned images', async () => {
    const grey = sharp({ create: { width: 5, height: 3, channels: 3, background: '#808080' } });
    const path = join(dir, 'grey.webp');
    await writeFile(path, await grey.greyscale().webp({ lossless: true }).toBuffer());
    expect(await readImage(path)).toEqual(createImage(5, 3, [128, 128, 128]));

    const clear = {
      create: { width: 2, height: 2, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    } as const;
    const transparent = await sharp(clear).png().toBuffer();
    expect(await decodeImage(transparent, 'clear')).toEqual(createImage(2, 2, [255, 255, 255]));

    const turned = await grey.jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await decodeImage(turned, 'turned')).toMatchObject({ width: 3, height: 5 });
  });

  it('says in one line why a file cannot be read', async () => {
    const path = join(dir, 'broken.png');
    await writeFile(path, encodePng(sample(64, 64)).subarray(0, 200));
    await expect(readImage(path)).rejects.toThrow(
      /^cannot read .*broken\.png: not an image or broken \([^\n]*\)$/,
    );
    await expect(decodeImage(Buffer.from('text'), 'text.png')).rejects.toThrow(UserError);
    await expect(readImage(join(dir, 'none.png'))).rejects.toThrow(/none\.png: the file does not exist/);
    const large = encodePng(sample(64, 64));
    await expect(decodeImage(large, 'big.png', { maxPixels: 4095 })).rejects.toThrow(
      /64 x 64 is more than 4095 pixels/,
    );
  });
});

describe('planes', () => {
  it('are converted to the same pixels and back in both ranges, and are clipped', () => {
    const image = sample(7, 5);
    for (const range of [[0, 1] as const, [-1, 1] as const]) {
      expect(imageFromPlanes(planesFromImage(image, range), 7, 5, range)).toEqual(image);
    }
    expect([...imageFromPlanes([1.5, -2, 0.5], 1, 1).data]).toEqual([255, 0, 128]);
    expect(planesFromImage(createImage(2, 1, Uint8Array.of(255, 0, 51, 0, 255, 51)))).toEqual(
      Float32Array.of(1, 0, 0, 1, 0.2, 0.2),
    );
  });
});
