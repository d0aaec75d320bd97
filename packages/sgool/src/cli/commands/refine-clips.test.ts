import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { encodeApng } from '../../image/video/apng.ts';
import { type VideoFormat, videoEncoder } from '../../image/video/encode-video.ts';
import { readVideo } from '../../image/video/read-video.ts';
import { discImage, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
const clipOf = (count: number): Image[] => Array.from({ length: count }, (_, f) => discImage(1, 32, f));
const written = (name: string, bytes: Uint8Array) => writeFile(join(cwd, name), bytes);
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-refine-clips-'));
  await written('given.png', encodeApng({ frames: clipOf(4), fps: 6 }));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], { fake, ...setting }: Setting = {}) =>
  runOnFakes(cwd, argv, { ...setting, fake: { moves: true, ...fake } });
const refine = (file: string, ...argv: string[]) => [
  'refine',
  file,
  'a blue disc',
  '--seed',
  '5',
  '--out',
  'out',
  ...argv,
];
const inOut = (name: string) => join(cwd, 'out', name);
const saved = async (folder = 'out') => JSON.parse(await readFile(join(cwd, folder, 'run.json'), 'utf8'));

describe('refine of a clip', () => {
  it('leaves what video leaves, and the clip as the model took it', async () => {
    const { code, stdout } = await sgool(refine('given.png'));
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'out/clip.webp\n' });
    expect((await readdir(join(cwd, 'out'))).sort()).toEqual([
      'before.png',
      'clip.png',
      'clip.webp',
      'frames.png',
      'input.png',
      'progress.png',
      'run.json',
    ]);
    expect(await readVideo(inOut('input.png'))).toEqual({ frames: clipOf(4), fps: 6 });
    expect(await readVideo(inOut('clip.png'))).toMatchObject({ frames: { length: 4 }, fps: 6 });
    expect(await saved()).toMatchObject({
      kind: 'refine',
      request: { frames: 4, fps: 6, format: 'webp', motion: 'toybox-motion', edit: 'edict' },
    });
  });

  it.each<VideoFormat>(['webp', 'gif'])('reads what %s joined', async (format) => {
    const [a, b] = clipOf(2);
    const frames = [a, a, b, b, b, a];
    await written(`joined.${format}`, await (await videoEncoder(format))({ frames, fps: 8 }));
    const { stderr } = await sgool(refine(`joined.${format}`));
    expect(stderr).toContain('the clip has 3 frames in 0.75 s: 6 are taken, 8 in a second');
    const { frames: input, fps } = await readVideo(inOut('input.png'));
    const isAsBefore = input.slice(1).map(({ data }, f) => Buffer.compare(data, input[f].data) === 0);
    expect([isAsBefore, fps]).toEqual([[true, false, true, true, false], 8]);
  });

  it('takes the frames that it is asked for, in the wanted format', async () => {
    const { stdout } = await sgool(refine('given.png', '--fps', '3', '--format', 'gif', '--motion', 'mine'));
    expect(stdout).toBe('out/clip.gif\n');
    expect(await readVideo(inOut('input.png'))).toMatchObject({ frames: { length: 2 }, fps: 3 });
    expect(await saved()).toMatchObject({ request: { frames: 2, fps: 3, format: 'gif', motion: 'mine' } });
  });

  it('is repeated with the same bytes, from the clip and by its command', async () => {
    await sgool(refine('given.png', '--frames', '3'));
    const { code, stderr } = await sgool(['repeat', 'out/clip.webp', '--out', 'second']);
    expect([code, stderr]).toEqual([0, expect.stringContaining('has the same bytes as out/clip.webp')]);
    const { repeat } = await saved();
    for (const words of ['--frames 3', '--fps 6', '--motion toybox-motion', '--format webp', 'given.png'])
      expect(repeat).toContain(words);
    expect((await saved('second')).request).toEqual((await saved()).request);
  });

  it('goes on after a stop', async () => {
    const whole = await sgool(refine('given.png'));
    expect(whole.code).toBe(0);
    const bytes = await readFile(inOut('clip.webp'));
    const before = (iteration: number) => {
      if (iteration === 2) throw new Error('the power is gone');
    };
    await sgool(['refine', 'given.png', 'a blue disc', '--seed', '5', '--out', 'cut'], { fake: { before } });
    expect((await saved('cut')).status).toBe('failed');
    const { code, stderr } = await sgool(['resume', 'cut']);
    expect([code, stderr]).toEqual([0, expect.stringContaining('going on after iteration')]);
    expect(await readFile(join(cwd, 'cut/clip.webp'))).toEqual(bytes);
  });

  it.each<[string, string[], RegExp]>([
    [
      'more frames than it has',
      ['--frames', '5'],
      /^sgool: refine: frames must be at most 4, which the clip has, got 5$/m,
    ],
    ['a broken clip', [], /^sgool: cannot read .*broken\.gif: /m],
  ])('refused in one line: %s', async (name, more, message) => {
    await written('broken.gif', (await readFile(join(cwd, 'given.png'))).subarray(0, 90));
    const { code, stderr } = await sgool(
      refine(name === 'a broken clip' ? 'broken.gif' : 'given.png', ...more),
    );
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(await readdir(cwd)).not.toContain('out');
  });

  it('an MP4 without ffmpeg is refused in one line', async () => {
    await written(
      'clip.mp4',
      Uint8Array.from('\0\0\0\x20ftypisom', (letter) => letter.charCodeAt(0)),
    );
    const path = process.env.PATH;
    process.env.PATH = cwd;
    try {
      const { code, stderr } = await sgool(refine('clip.mp4'));
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/an MP4 video, which ffmpeg on the path would read/),
      ]);
    } finally {
      process.env.PATH = path;
    }
  });
});

it('a picture stays a picture, and what clips alone have is named', async () => {
  await written('disc.png', encodePng(discImage(1)));
  const { code, stdout, stderr } = await sgool(refine('disc.png', '--format', 'gif', '--motion', 'mine'));
  expect([code, stdout]).toEqual([0, 'out/image.png\n']);
  expect(stderr).toContain('the format gif is passed over: the image is a picture, and no clip');
  expect(stderr).toContain('the motion adapter mine changes nothing in a picture');
  expect((await saved()).request).not.toHaveProperty('format');
  expect((await sgool(refine('disc.png', '--frames', '2'))).stderr).toMatch(
    /frames must be at most 1, which the picture has, got 2/,
  );
});
