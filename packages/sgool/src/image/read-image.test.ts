import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import reference from '../../../../fixtures/data/image-files.json' with { type: 'json' };
import { UserError } from '../errors.ts';
import { encodePng } from './png.ts';
import { PNG_SIGNATURE, pngChunk } from './png-chunk.ts';
import { decodeImage, MAX_SIDE } from './read-image.ts';

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

describe('decodeImage', () => {
  it.each(reference)('reads $name as Pillow does', async ({ name, file, width, height, rgb }) => {
    const image = await decodeImage(bytes(file), name);
    expect([image.width, image.height]).toEqual([width, height]);
    expect(Buffer.from(image.data).toString('base64')).toBe(rgb);
  });

  it.each(reference)('says that $name is cut off, and that it is too large', async ({ name, file }) => {
    const cut = decodeImage(bytes(file).subarray(0, -6), name);
    await expect(cut).rejects.toThrow(new RegExp(`^cannot read ${name}: not an image or broken`));
    const small = decodeImage(bytes(file), name, { maxPixels: 30 });
    await expect(small).rejects.toThrow(
      `cannot read ${name}: 7 x 5 is more than 30 pixels; scale it down first`,
    );
  });

  it('composites a BMP with an alpha mask over the background', async () => {
    const file = new Uint8Array(14 + 56 + 4);
    const view = new DataView(file.buffer);
    file.set([0x42, 0x4d]);
    for (const [at, value] of [
      [10, 70],
      [14, 56],
      [18, 1],
      [22, 1],
      [30, 3],
      [54, 0xff0000],
      [58, 0xff00],
      [62, 0xff],
    ]) {
      view.setUint32(at, value, true);
    }
    view.setUint16(28, 32, true);
    view.setUint32(66, 0xff000000, true);
    view.setUint32(70, 0x00102030, true);
    expect([...(await decodeImage(file, 'x')).data]).toEqual([255, 255, 255]);
    expect([...(await decodeImage(file, 'x', { background: '#000000' })).data]).toEqual([0, 0, 0]);
    view.setUint32(70, 0xff102030, true);
    expect([...(await decodeImage(file, 'x')).data]).toEqual([16, 32, 48]);
  });

  it.each([
    ['rle.bmp', 1, /a BMP with RLE compression, which is not read; convert it to PNG or JPEG$/],
    ['jpeg.bmp', 4, /a BMP with a JPEG inside, which is not read/],
  ])('names what it does not read: %s', async (name, compression, message) => {
    const file = bytes(reference[0].file);
    new DataView(file.buffer).setUint32(30, compression, true);
    await expect(decodeImage(file, name)).rejects.toThrow(UserError);
    await expect(decodeImage(file, name)).rejects.toThrow(message);
  });

  it.each([
    ['8BPS\0\x01', 'a Photoshop file'],
    ['P7\nWIDTH 1', 'a PAM file'],
    ['\xff\x0a\0\0', 'a JPEG XL file'],
    ['\0\0\0\x18ftypheic', 'a HEIC file'],
    ['<!DOCTYPE html><p>404', 'a web page'],
    ['version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer (run: git lfs pull)'],
  ])('names a format that is not read: %j', async (text, what) => {
    const file = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const message = `cannot read x: ${what}, which is not read; convert it to PNG or JPEG`;
    await expect(decodeImage(file, 'x')).rejects.toThrow(message);
  });
});

describe('images that take more than they show', () => {
  const text = (content: string) => new TextEncoder().encode(content);

  it.each([
    '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    '<?xml version="1.0"?>\n<!-- x --><svg width="8" height="8"/>',
    '\ufeff <!DOCTYPE svg><svg/>',
  ])('SVG is refused before anything is rendered: %j', async (drawing) => {
    await expect(decodeImage(text(drawing), 'x.svg')).rejects.toThrow(
      'cannot read x.svg: an SVG drawing, which is not read; export it as PNG',
    );
  });

  it('a packed drawing is refused too', async () => {
    await expect(decodeImage(Uint8Array.of(0x1f, 0x8b, 8, 0), 'x.svgz')).rejects.toThrow(
      'cannot read x.svgz: a gzip file, such as a packed SVG drawing, which is not read; export it as PNG',
    );
  });

  it.each([
    [MAX_SIDE + 1, 1],
    [1, MAX_SIDE + 1],
  ])('%i x %i is refused by its side', async (width, height) => {
    const header = text(`P5 ${width} ${height} 255\n`);
    const file = new Uint8Array(header.length + width * height);
    file.set(header);
    await expect(decodeImage(file, 'long.pgm')).rejects.toThrow(
      `cannot read long.pgm: ${width} x ${height} has a side of more than 65535 pixels; scale it down first`,
    );
  });

  it('a PNG file with many packed texts costs no more than its pixels', async () => {
    const plain = encodePng({ width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    // Each text unpacks to 15 megabytes of letters.
    const packed = deflateSync(new Uint8Array(15e6).fill(0x61));
    const chunks = Array.from({ length: 40 }, (_, i) =>
      pngChunk('zTXt', Buffer.concat([Buffer.from(`k${i}\0\0`, 'latin1'), packed])),
    );
    const header = plain.subarray(PNG_SIGNATURE.length, 33);
    const file = Buffer.concat([PNG_SIGNATURE, header, ...chunks, plain.subarray(33)]);
    const before = process.resourceUsage().maxRSS;
    const { data } = await decodeImage(file, 'texts.png');
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
    // In kilobytes; unpacked the texts are 600 megabytes.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(300e3);
  });
});
