import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseParameters } from '../../image/parameters.ts';
import { readPictureText } from '../../image/picture-text.ts';
import { readVideo } from '../../image/video/read-video.ts';
import { defined } from '../../testing.ts';
import { generateOptions, videoOptions } from '../options/image-options.ts';
import type { CliOption } from '../options/option.ts';
import { discImage, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-video-'));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], { fake, ...setting }: Setting = {}) =>
  runOnFakes(cwd, argv, { ...setting, fake: { moves: true, ...fake } });
const video = (...argv: string[]) => ['video', 'a red cat', '--seed', '5', '--out', 'out', ...argv];
const inFolder = (name: string) => join(cwd, 'out', name);
const files = async (folder = 'out') => (await readdir(join(cwd, folder))).sort();
const clipOf = (iteration: number, count = 4) =>
  Array.from({ length: count }, (_, frame) => discImage(iteration, 32, frame));

describe('video', () => {
  it('leaves the clip, the lossless clip, the sheet and the record', async () => {
    const { code, stdout, stderr } = await sgool(video());
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'out/clip.webp\n' });
    expect(await files()).toEqual([
      'before.png',
      'clip.png',
      'clip.webp',
      'frames.png',
      'progress.png',
      'run.json',
    ]);
    expect(await readVideo(inFolder('clip.png'))).toEqual({ frames: clipOf(3), fps: 8 });
    expect((await readVideo(inFolder('before.png'))).frames).toEqual(clipOf(0));
    expect((await readVideo(inFolder('clip.webp'))).frames).toHaveLength(4);
    const { frames } = await readVideo(inFolder('frames.png'));
    expect(frames[0].width).toBeGreaterThan(4 * 128);
    expect(JSON.parse(defined(stderr.split('\n').find((line) => line.startsWith('{'))))).toMatchObject({
      overFrames: { least: { A: 18, B: 17 }, motion: 0.05 },
    });
    expect(JSON.parse(await readFile(inFolder('run.json'), 'utf8'))).toMatchObject({
      kind: 'video',
      request: { frames: 4, fps: 8, format: 'webp' },
      clip: { before: { A: 20 }, after: { A: 23 } },
      overFrames: { before: { least: { A: 18 } }, after: { least: { A: 21 }, consistency: 0.9 } },
    });
  });

  it.each([
    ['gif', 'clip.gif'],
    ['mp4', 'clip.mp4'],
    ['apng', 'clip.png'],
  ])('--format %s', async (format, name) => {
    const { stdout, stderr } = await sgool(video('--format', format, '--frames', '5', '--fps', '10'));
    expect(stderr).not.toMatch(/warning/);
    expect(stdout).toBe(`out/${name}\n`);
    expect((await files()).filter((one) => one.startsWith('clip.'))).toEqual(
      format === 'apng' ? [name] : ['clip.png', name].sort(),
    );
    expect(await readVideo(inFolder('clip.png'))).toEqual({ frames: clipOf(3, 5), fps: 10 });
  });

  it('keeps the settings in PNG and WebP, and is repeated from both with the same bytes', async () => {
    await sgool(video());
    const master = await readFile(inFolder('clip.png'));
    for (const [name, folder] of [
      ['clip.png', 'second'],
      ['clip.webp', 'third'],
    ]) {
      const text = readPictureText(await readFile(inFolder(name)));
      expect(parseParameters(defined(text.parameters))).toMatchObject({ prompt: 'a red cat' });
      expect(JSON.parse(defined(text.sgool))).toMatchObject({ kind: 'video', request: { frames: 4 } });
      const { code, stdout, stderr } = await sgool(['repeat', `out/${name}`, '--out', folder]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: `${folder}/clip.webp\n` });
      expect((await readFile(join(cwd, folder, 'clip.png'))).equals(master)).toBe(true);
      expect(stderr).toContain(`${folder}/${name} has the same bytes as out/${name}`);
    }
  });

  it('the command in run.json repeats it', async () => {
    await sgool(video('--format', 'gif', '--frames', '3'));
    const { repeat } = JSON.parse(await readFile(inFolder('run.json'), 'utf8'));
    expect(repeat).toMatch(/^sgool video /);
    for (const words of ['--frames 3', '--fps 8', '--format gif', '--loss-frames 4', '--shared-noise 0'])
      expect(repeat).toContain(words);
  });

  it('keeps the best clip on Ctrl-C, and goes on with the same bytes', async () => {
    await sgool(video('--out', 'whole'));
    let host: Awaited<ReturnType<typeof sgool>>['host'] | undefined;
    const stopping = runOnFakes(cwd, video(), {
      fake: {
        moves: true,
        before: (iteration, signal) => {
          if (iteration === 2) host?.interrupt();
          signal?.throwIfAborted();
        },
      },
      onHost: (one) => {
        host = one;
      },
    });
    const { code, stderr } = await stopping;
    expect(code).toBe(130);
    expect(stderr).toMatch(/the best image so far \(iteration 1\) is in out; to go on: sgool resume out/);
    expect((await readVideo(inFolder('clip.png'))).frames).toEqual(clipOf(1));
    const resumed = await sgool(['resume', 'out']);
    expect({ code: resumed.code, stdout: resumed.stdout }).toEqual({ code: 0, stdout: 'out/clip.webp\n' });
    for (const name of ['clip.png', 'clip.webp', 'before.png', 'frames.png', 'progress.png']) {
      const [one, other] = await Promise.all([readFile(join(cwd, 'whole', name)), readFile(inFolder(name))]);
      expect(one.equals(other), name).toBe(true);
    }
    expect((await sgool(['resume', 'out'])).stdout).toBe('out/clip.webp\n');
  });

  it('makes a series', async () => {
    const { code } = await sgool(['video', 'a red cat', '--seed', '5', '--count', '2', '--out', 'many']);
    expect(code).toBe(0);
    expect(await files('many')).toContain('grid.png');
    const again = await sgool(['resume', 'many']);
    expect(again.code).toBe(0);
  });

  it('keeps the clip of every iteration on request', async () => {
    await sgool(video('--save-iterations'));
    expect((await readVideo(inFolder('iterations/0002.png'))).frames).toEqual(clipOf(2));
  });
});

describe('in one line', () => {
  const lineOf = async (argv: readonly string[], setting?: Setting) => {
    const { code, stderr } = await sgool(argv, setting);
    expect(code).not.toBe(0);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    return stderr.trim();
  };

  it.each([
    [['--frames', '1'], 'sgool: --frames: a clip has 2 frames or more, got 1; for a picture: sgool generate'],
    [['--fps', '7.5'], /--fps.*got 7\.5/],
    [['--fps', '60'], /--fps.*got 60/],
    [['--frames', '0'], /--frames.*got 0/],
    [['--format', 'avi'], /--format.*avi.*webp, apng, gif, mp4/],
    [
      ['--method', 'attend-and-excite'],
      'sgool: request: frames must be 1 for attend-and-excite, which makes pictures and no clips, got 4; take another method',
    ],
    [['--detail'], /unknown option '--detail'/],
  ])('%j', async (words, line) => {
    expect(await lineOf([...video(), ...words])).toMatch(line);
    expect(await readdir(cwd)).toEqual([]);
  });

  it('a model that makes pictures', async () => {
    expect(await lineOf(video('--model', 'toybox'), { fake: { moves: false } })).toBe(
      'sgool: model toybox makes pictures and no clips; give it a motion adapter with --motion: toybox-motion for toybox, one of AnimateDiff for Stable Diffusion 1.x',
    );
  });

  it('takes the adapter that comes with sgool where neither model nor adapter is named', async () => {
    const motionOf = async (...argv: string[]) => {
      await rm(join(cwd, 'out'), { recursive: true, force: true });
      await sgool(video(...argv));
      return JSON.parse(await readFile(inFolder('run.json'), 'utf8')).request.motion;
    };
    expect(await motionOf()).toBe('toybox-motion');
    expect(await motionOf('--motion', 'mine')).toBe('mine');
    expect(await motionOf('--model', 'toybox')).toBeUndefined();
  });

  it('pictures have no such options', async () => {
    for (const option of ['--frames', '--fps', '--format', '--loss-frames', '--shared-noise'])
      expect(await lineOf(['generate', 'a red cat', option, '2'])).toMatch(
        new RegExp(`unknown option '${option}'`),
      );
  });
});

describe('options of pictures that a clip does not honour', () => {
  const flagOf = ({ flag, keys: [key] }: CliOption) => [flag, key] as const;
  const clips = new Set(videoOptions().flatMap(({ keys }) => keys));
  const foreign = generateOptions()
    .filter(({ keys }) => keys.every((key) => !clips.has(key)))
    .map(flagOf);

  it('are those of the detail pass and of attention', () => {
    expect(foreign.map(([flag]) => flag)).toEqual(
      expect.arrayContaining(['detail', 'tokens', 'attention-loss']),
    );
  });

  it.each(foreign)('--%s is refused by its name', async (flag) => {
    for (const words of [[`--${flag}`], [`--${flag}`, '1']]) {
      const { code, stdout, stderr } = await sgool(['video', 'a cat', ...words]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`--${flag}`);
      expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
    }
  });
});
