import { describe, expect, it } from 'vitest';
import reference from '../../../../fixtures/data/image-files.json' with { type: 'json' };
import { UserError } from '../errors.ts';
import { decodeImage } from './read-image.ts';

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
