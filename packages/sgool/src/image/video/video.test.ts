import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { mp4Writer } from '../../platform/h264.ts';
import { readMp4 } from '../../platform/read-mp4.ts';
import { movingPictures as ofBrowser } from '../../platform/web.ts';
import { isAnimated, isVideoFile } from '../animation.ts';
import { decodeExif, encodeExif } from '../exif.ts';
import { createImage } from '../image.ts';
import { readPictureText } from '../picture-text.ts';
import { encodePng } from '../png.ts';
import { latin1Text, pngChunk } from '../png-chunk.ts';
import { readPngText } from '../png-text.ts';
import { decodeImage } from '../read-image.ts';
import { encodeApng } from './apng.ts';
import { VIDEO_FORMATS, videoEncoder } from './encode-video.ts';
import { decodeVideo } from './read-video.ts';
import { fpsOf, frameTicks, type Video } from './video.ts';

/** Frames with noise, each another picture. */
function sample({ width = 24, height = 16, count = 5, fps = 8 } = {}): Video {
  const frames = Array.from({ length: count }, (_, f) =>
    createImage(
      width,
      height,
      Uint8Array.from(
        { length: width * height * 3 },
        (_, i) => (i * (37 + f) + Math.floor((i * i) / 7) * (f + 3)) % 256,
      ),
    ),
  );
  return { frames, fps };
}

const text = { parameters: 'a red cat\nSteps: 5, Seed: 7, Size: 24x16', sgool: '{"prompt":"a red cat – é"}' };
const folder = mkdtempSync(join(tmpdir(), 'video-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('frameTicks', () => {
  it('keeps the rate over the whole video, whatever the ticks', () => {
    for (const fps of [1, 3, 7, 8, 12, 24, 30, 50]) {
      const ticks = frameTicks(sample({ width: 1, height: 1, count: 48, fps }), 100);
      ticks.reduce((end, tick, f) => {
        expect(Math.abs(end + tick - (100 * (f + 1)) / fps)).toBeLessThanOrEqual(0.5);
        return end + tick;
      }, 0);
    }
    expect(frameTicks(sample({ count: 4 }), 100)).toEqual([13, 12, 13, 12]);
  });

  it('gives the rate back', () => {
    expect(fpsOf(16, 2)).toBe(8);
    expect(fpsOf(16, 0)).toBe(10);
    expect(fpsOf(1, 9)).toBe(1);
  });
});

describe('APNG', () => {
  it('comes back bit for bit, with its rate and its texts', async () => {
    for (const fps of [1, 8, 24, 50]) {
      const video = sample({ fps });
      const file = encodeApng(video, { text });
      expect(await decodeVideo(file, 'sample')).toEqual(video);
      expect(readPngText(file)).toEqual(text);
      expect(isAnimated(file)).toBe(true);
    }
  });

  it('shows its first frame to readers that know no animations', async () => {
    const video = sample();
    const { data } = await sharp(encodeApng(video)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    expect(new Uint8Array(data)).toEqual(video.frames[0].data);
  });

  it('has its chunks in the order of the standard, numbered without a gap', () => {
    const file = encodeApng(sample({ count: 3 }), { text });
    const view = new DataView(file.buffer);
    const chunks: [type: string, sequence?: number][] = [];
    for (let at = 8; at < file.length; at += 12 + view.getUint32(at)) {
      const type = latin1Text(file.subarray(at + 4, at + 8));
      chunks.push(/fcTL|fdAT/.test(type) ? [type, view.getUint32(at + 8)] : [type]);
    }
    expect(chunks).toEqual([
      ['IHDR'],
      ['acTL'],
      ['tEXt'],
      ['iTXt'],
      ['fcTL', 0],
      ['IDAT'],
      ['fcTL', 1],
      ['fdAT', 2],
      ['fcTL', 3],
      ['fdAT', 4],
      ['IEND'],
    ]);
  });

  it('is refused where it is broken, or its frames are parts', async () => {
    const file = encodeApng(sample());
    await expect(decodeVideo(file.subarray(0, 900), 'cut')).rejects.toThrow(
      /^cannot read cut: a broken animation \(it is truncated\)$/,
    );
    const moved = file.slice();
    const control = latin1Text(moved).lastIndexOf('fcTL');
    // The width of the last frame; checksums are the decoder's business.
    new DataView(moved.buffer).setUint32(control + 8, 12);
    await expect(decodeVideo(moved, 'parts')).rejects.toThrow(
      /^cannot read parts: an animated PNG whose frames are parts of a picture/,
    );
    const dark = file.slice();
    dark[control + 29] = 1;
    await expect(decodeVideo(dark, 'over')).rejects.toThrow(/frames are parts/);
  });

  it('does not fill the memory', async () => {
    // What its header says is believed before anything is unpacked.
    const side = 5000;
    const letters = latin1Text(encodeApng(sample({ width: 8, height: 8 })));
    const size = (of: number) => latin1Text(Uint8Array.of(0, 0, of >> 8, of & 255, 0, 0, of >> 8, of & 255));
    const grown = letters
      .replace(/IHDR.{8}/s, `IHDR${size(side)}`)
      .replace(/(fcTL.{4}).{8}/gs, `$1${size(side)}`);
    const bytes = Uint8Array.from(grown, (letter) => letter.charCodeAt(0));
    const header = pngChunk('IHDR', bytes.subarray(16, 29));
    const huge = Uint8Array.from([...bytes.subarray(0, 8), ...header, ...bytes.subarray(33)]);
    await expect(decodeVideo(huge, 'huge')).rejects.toThrow(
      /^cannot read huge: its frames of 5000 x 5000 need \d+ MB together, more than 384 MB/,
    );
    await expect(decodeVideo(encodeApng(sample()), 'small', { maxPixels: 100 })).rejects.toThrow(
      /24 x 16 is more than 100 pixels/,
    );
  });

  it('passes over a first picture that is no frame', async () => {
    const video = sample({ count: 3 });
    const file = encodeApng(video);
    const at = latin1Text(file).indexOf('fcTL') - 4;
    const hidden = latin1Text(encodePng(createImage(24, 16)));
    const first = hidden.slice(hidden.indexOf('IDAT') - 4, hidden.indexOf('IEND') - 4);
    const letters = latin1Text(file);
    const idat = letters.indexOf('IDAT') - 4;
    const end = idat + 12 + new DataView(file.buffer).getUint32(idat);
    const pixels = file.subarray(idat + 8, end - 4);
    const asFdat = latin1Text(pngChunk('fdAT', Uint8Array.from([0, 0, 0, 0, ...pixels])));
    const whole = letters.slice(0, at) + first + letters.slice(at, idat) + asFdat + letters.slice(end);
    const bytes = Uint8Array.from(whole, (letter) => letter.charCodeAt(0));
    expect((await decodeVideo(bytes, 'hidden')).frames).toEqual(video.frames);
  });
});

describe('the other formats', () => {
  it('WebP without loss comes back bit for bit, with delays, for ever', async () => {
    const video = sample({ fps: 24 });
    const file = await (await videoEncoder('webp'))(video, { quality: 'lossless', text });
    expect(await decodeVideo(file, 'sample')).toEqual(video);
    const { delay, loop, pages, exif } = await sharp(file, { animated: true }).metadata();
    expect({ delay, loop, pages }).toEqual({ delay: [42, 41, 42, 42, 41], loop: 0, pages: 5 });
    expect(decodeExif(exif as Buffer)).toEqual({ comment: text.parameters, description: text.sgool });
    expect(readPictureText(file)).toEqual(text);
  });

  it('WebP with loss is near, and smaller', async () => {
    const encode = await videoEncoder('webp');
    const video = {
      frames: Array.from({ length: 4 }, (_, f) => createImage(64, 64, [60 * f, 90, 200])),
      fps: 8,
    };
    const { frames, fps } = await decodeVideo(await encode(video), 'sample');
    expect({ count: frames.length, fps }).toEqual({ count: 4, fps: 8 });
    frames.forEach(({ data }, f) => {
      data.forEach((value, i) => {
        if (Math.abs(value - video.frames[f].data[i]) > 4) throw new Error(`frame ${f}: ${value} at ${i}`);
      });
    });
    const noisy = sample({ width: 64, height: 64 });
    const [rough, fine] = [await encode(noisy, { quality: 5 }), await encode(noisy)];
    expect(rough.length).toBeLessThan(0.7 * fine.length);
  });

  it('GIF keeps frames and rate', async () => {
    const video = {
      frames: Array.from({ length: 4 }, (_, f) => createImage(20, 12, [60 * f, 90, 200])),
      fps: 8,
    };
    const file = await (await videoEncoder('gif'))(video);
    expect((await sharp(file, { animated: true }).metadata()).delay).toEqual([130, 120, 130, 120]);
    const { frames, fps } = await decodeVideo(file, 'sample');
    expect({ count: frames.length, fps }).toEqual({ count: 4, fps: 8 });
    for (const [f, { data }] of frames.entries()) expect(Math.abs(data[0] - 60 * f)).toBeLessThan(3);
  });

  it('join frames that stand still, and show them as long', async () => {
    const [red, blue] = [createImage(16, 16, [200, 30, 30]), createImage(16, 16, [20, 30, 230])];
    const frames = [red, red, blue, blue, blue, red];
    for (const format of ['webp', 'gif'] as const) {
      const file = await (await videoEncoder(format))({ frames, fps: 10 }, { text });
      expect((await sharp(file, { animated: true }).metadata()).delay).toEqual([200, 300, 100]);
    }
  });

  it.each(VIDEO_FORMATS)('%s: one frame, and frames that stand still, are written', async (format) => {
    const encode = await videoEncoder(format);
    const still = createImage(32, 32, [200, 30, 30]);
    for (const count of [1, 6]) {
      const file = await encode({ frames: Array(count).fill(still), fps: 8 });
      if (format === 'mp4') continue;
      const { frames } = await decodeVideo(file, 'still');
      expect(frames.length).toBe(format === 'apng' ? count : 1);
      expect(Math.abs(frames[0].data[0] - 200)).toBeLessThan(6);
    }
  });

  it.each(VIDEO_FORMATS)('%s: refuses frames of several sizes, none, and other rates', async (format) => {
    const encode = await videoEncoder(format);
    const { frames } = sample();
    await expect(encode({ frames: [], fps: 8 })).rejects.toThrow(/needs a frame, got none/);
    await expect(encode({ frames: [...frames, createImage(8, 8)], fps: 8 })).rejects.toThrow(
      /all frames must have one size, got 24 x 16 and 8 x 8/,
    );
    for (const fps of [0, 7.5, 51, Number.NaN])
      await expect(encode({ frames, fps })).rejects.toThrow(/a whole number from 1 to 50, got/);
  });

  it('are not written in a browser, in one line', async () => {
    await expect(ofBrowser.writer('webp')).rejects.toThrow(/^webp: is not written in a browser; take apng$/);
  });
});

describe('MP4', () => {
  const listeners = () =>
    ['uncaughtException', 'unhandledRejection'].map((name) => process.listenerCount(name));

  it('is written by the package, and leaves the process as it was', async () => {
    const before = listeners();
    const file = await (await videoEncoder('mp4'))(sample({ count: 16 }));
    expect(latin1Text(file.subarray(4, 12))).toBe('ftypmp42');
    expect(latin1Text(file)).toContain('avc1');
    expect(listeners()).toEqual(before);
  });

  it('refuses odd sides in one line', async () => {
    const encode = await videoEncoder('mp4');
    await expect(encode(sample({ width: 25 }))).rejects.toThrow(
      new UserError('mp4: both sides must be even, got 25 x 16; take webp, apng or gif'),
    );
  });

  const missing = async () => {
    throw new UserError('not installed');
  };

  it('is written by an ffmpeg where the package is missing', async () => {
    const ffmpeg = join(folder, 'ffmpeg');
    writeFileSync(ffmpeg, '#!/bin/sh\n[ "$1" = -version ] && exit 0\necho "$@"\nwc -c\n');
    chmodSync(ffmpeg, 0o755);
    const write = await mp4Writer({ load: missing, ffmpeg });
    const { frames, fps } = sample();
    const printed = latin1Text(await write({ frames, fps, delays: [], quality: 90 }));
    expect(printed).toContain('-f rawvideo -pix_fmt rgb24 -s 24x16 -r 8 -i -');
    expect(printed).toMatch(new RegExp(`-f mp4 -\\n\\s*${5 * 24 * 16 * 3}\\n$`));
    writeFileSync(ffmpeg, '#!/bin/sh\n[ "$1" = -version ] && exit 0\necho "Unknown encoder" >&2; exit 3\n');
    await expect(write({ frames, fps, delays: [], quality: 90 })).rejects.toThrow(
      /^mp4: ffmpeg failed with exit code 3: Unknown encoder$/,
    );
  });

  describe('is read by an ffmpeg', () => {
    const file = Uint8Array.from('\0\0\0\x20ftypisom', (letter) => letter.charCodeAt(0));
    const program = (name: string, body: string) => {
      const path = join(folder, name);
      writeFileSync(path, `#!/bin/sh\n[ "$1" = -version ] && exit 0\n${body}\n`);
      chmodSync(path, 0o755);
      return path;
    };
    const two = `printf 'P6\\n2 1\\n255\\nabcdef'; printf 'P6 2 1 255 ghijkl'; echo 'Video: h264, 2x1, 12.5 fps' >&2`;

    it('frame by frame, with its rate', async () => {
      const sizes: (number | undefined)[][] = [];
      const accept = (...size: [number, number, number?]) => void sizes.push(size);
      const { frames, seconds } = await readMp4(file, accept, program('reads', two));
      expect(frames.map(({ width, height, data }) => [width, height, latin1Text(data)])).toEqual([
        [2, 1, 'abcdef'],
        [2, 1, 'ghijkl'],
      ]);
      expect(seconds).toEqual([0.08, 0.08]);
      expect(sizes).toEqual([[2, 1, 12]]);
    });

    it.each([
      ['says nothing', 'true', 'an MP4 video without frames'],
      [
        'fails',
        'echo "moov atom not found" >&2; exit 1',
        'mp4: ffmpeg failed with exit code 1: moov atom not found',
      ],
      [
        'is cut off',
        `printf 'P6 9 9 255 abc'`,
        'an MP4 video, of which ffmpeg printed something else than pictures',
      ],
    ])('that %s: one line', async (name, body, message) => {
      await expect(readMp4(file, () => {}, program(name.replaceAll(' ', '-'), body))).rejects.toThrow(
        new UserError(message),
      );
    });

    it('that is not there: one line', async () => {
      await expect(readMp4(file, () => {}, join(folder, 'none'))).rejects.toThrow(
        /^an MP4 video, which ffmpeg on the path would read; install it, or give the clip as WebP, animated PNG or GIF$/,
      );
    });

    it('and no picture is taken for a video', () => {
      const of = (brand: string) =>
        Uint8Array.from(`\0\0\0\x20ftyp${brand}`, (letter) => letter.charCodeAt(0));
      expect(['isom', 'mp42', 'qt  ', 'M4V '].map((brand) => isVideoFile(of(brand)))).toEqual([
        true,
        true,
        true,
        true,
      ]);
      expect(['avif', 'avis', 'heic', 'mif1'].map((brand) => isVideoFile(of(brand)))).toEqual([
        false,
        false,
        false,
        false,
      ]);
    });
  });

  it('says in one line what is missing', async () => {
    await expect(mp4Writer({ load: missing, ffmpeg: join(folder, 'none') })).rejects.toThrow(
      /^mp4: needs ffmpeg on the path, or the package h264-mp4-encoder \(npm install h264-mp4-encoder\); or take webp, apng or gif$/,
    );
  });
});

it('a picture that does not move is one frame', async () => {
  const image = createImage(8, 8, [1, 2, 3]);
  expect(await decodeVideo(encodePng(image), 'still')).toEqual({ frames: [image], fps: 1 });
  await expect(decodeImage(encodeApng(sample()), 'moving')).rejects.toThrow(
    /a clip, where a single image is needed/,
  );
});

describe('EXIF', () => {
  it('keeps any text', () => {
    for (const [comment, description] of [
      ['a red cat', '{}'],
      ['赤い猫, Ω ≈ 3\nSteps: 5', '{"prompt":"赤い猫 🐈"}'],
      ['🐈'.repeat(500), 'x'.repeat(70_000)],
    ])
      expect(decodeExif(encodeExif({ comment, description }))).toEqual({ comment, description });
  });

  it('of other writers is read: little-endian, ASCII, and what is broken is nothing', async () => {
    const bytes = await sharp(Buffer.from(createImage(8, 8).data), {
      raw: { width: 8, height: 8, channels: 3 },
    })
      .withExif({ IFD0: { ImageDescription: 'a description' }, IFD2: { UserComment: 'a comment' } })
      .webp()
      .toBuffer();
    expect(readPictureText(bytes)).toEqual({ parameters: 'a comment', sgool: 'a description' });
    const exif = encodeExif({ comment: 'a', description: 'b' });
    for (let end = 0; end < exif.length; end++) decodeExif(exif.subarray(0, end));
    expect(decodeExif(exif.subarray(0, 20))).toEqual({});
    expect(readPictureText(encodePng(createImage(2, 2), { text: { a: 'b' } }))).toEqual({ a: 'b' });
  });
});
