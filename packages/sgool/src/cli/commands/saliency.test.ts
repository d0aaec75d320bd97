import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodePng } from '../../image/png.ts';
import { readImage } from '../../image/read-image.ts';
import { videoEncoder } from '../../image/video/encode-video.ts';
import { discImage, runOnFakes } from '../testing.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-saliency-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(0)));
});
afterAll(() => rm(cwd, { recursive: true }));

const saliency = (...argv: string[]) => runOnFakes(cwd, ['saliency', 'disc.png', ...argv]);
const found = async (...argv: string[]) => JSON.parse((await saliency('--json', ...argv)).stdout);

it('writes the map beside the image, under a name that is free', async () => {
  expect((await saliency()).stdout).toBe('disc-saliency.png\n');
  expect((await saliency()).stdout).toBe('disc-saliency-2.png\n');
  expect(await readImage(join(cwd, 'disc-saliency.png'))).toMatchObject({ width: 384, height: 384 });
});

it('chooses the detector by what is given', async () => {
  expect((await found()).detector).toBe('spectral-residual');
  expect((await found('--prompt', 'a disc')).detector).toBe('grad-cam');
  expect((await found('--mask', 'disc.png')).detector).toBe('mask');
  expect((await found('--mask', 'disc.png', '--detector', 'mask')).detector).toBe('mask');
});

it('maps every frame of a clip on one sheet, and follows what is salient', async () => {
  const frames = [0, 1, 2].map((iteration) => discImage(iteration));
  for (const [name, format] of [
    ['clip.webp', 'webp'],
    ['clip.png', 'apng'],
  ] as const) {
    const encode = await videoEncoder(format);
    await writeFile(join(cwd, name), await encode({ frames, fps: 4 }, { quality: 'lossless' }));
    const argv = ['saliency', name, '--detector', 'centre', '--json', '--out', 'sheet.png'];
    const result = JSON.parse((await runOnFakes(cwd, argv)).stdout);
    const alone = await found('--detector', 'centre');
    expect(result).toMatchObject({ width: 32, height: 32, fps: 4, jitter: 0 });
    expect(result).not.toHaveProperty('regions');
    // The same place in every frame.
    expect(result.frames).toEqual([0, 1, 2].map(() => ({ regions: alone.regions })));
    const { width, height } = await readImage(join(cwd, 'sheet.png'));
    expect(width).toBeGreaterThan(3 * 384);
    expect(height).toBeLessThan(2 * 384);
  }
});

it('takes the settings of salient regions', async () => {
  const region = async (...argv: string[]) => (await found('--detector', 'centre', ...argv)).regions[0];
  const usual = await region();
  const fixed = await region('--threshold-rule', 'fixed', '--threshold-value', '0.9');
  expect(fixed.width).toBeLessThan(usual.width);
  expect((await region('--region-padding', '0')).width).toBeLessThan(usual.width);
  expect(
    (await region('--threshold-rule', 'fixed', '--threshold-value', '1', '--min-region-side', '1')).width,
  ).toBe(32);
});

it.each<[string, string[], string]>([
  [
    'Grad-CAM without a prompt',
    ['--detector', 'grad-cam'],
    '--prompt: the detector grad-cam needs a prompt; give one',
  ],
  [
    'the mask without an image',
    ['--detector', 'mask'],
    '--mask: the detector mask needs an image; give its path',
  ],
  [
    'an unknown detector',
    ['--detector', 'eyes'],
    '--detector: not usable, got eyes; it must be one of transalnet, grad-cam, grad-cam++, attention, spectral-residual, centre, random, judge, mask, none, or an .onnx file',
  ],
  [
    'a number out of range',
    ['--max-regions', '0'],
    '--max-regions: not usable, got 0; give a whole number from 1 up to 16',
  ],
])('refuses %s', async (_, argv, message) => {
  expect(await saliency(...argv)).toMatchObject({ code: 2, stdout: '', stderr: `sgool: ${message}\n` });
});

it.each<[string, string[], string]>([
  ['a mask', ['--mask', 'disc.png', '--detector', 'centre'], 'mask has no effect with saliency centre'],
  [
    'a prompt',
    ['--prompt', 'a disc', '--detector', 'centre'],
    '--prompt: the detector centre reads no prompt; leave it out, or take one of grad-cam, grad-cam++, attention',
  ],
  [
    'a prompt beside a mask',
    ['--prompt', 'a disc', '--mask', 'disc.png'],
    '--prompt: the detector mask reads no prompt',
  ],
  [
    'a threshold that is found by itself',
    ['--threshold-value', '0.9'],
    'thresholdValue 0.9 has no effect with thresholdRule otsu',
  ],
  [
    'the threshold of a box',
    ['--detector', 'random', '--threshold-rule', 'fixed'],
    'thresholdRule fixed has no effect with saliency random',
  ],
  [
    'a precision that it does not have',
    ['--detector', 'centre', '--precision', 'float16'],
    '--precision: the detector centre looks in float32, whatever is said; leave it out',
  ],
  [
    'regions where there are none',
    ['--detector', 'none', '--max-regions', '2'],
    'maxRegions 2 has no effect with saliency none',
  ],
])('refuses what the detector does not read: %s', async (_, argv, message) => {
  const { code, stderr } = await saliency(...argv);
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain(message);
});

it('checks values of the environment', async () => {
  const { code, stderr } = await runOnFakes(cwd, ['saliency', 'disc.png'], {
    env: { SGOOL_DEVICE: 'abacus' },
  });
  expect([code, stderr]).toEqual([
    1,
    'sgool: SGOOL_DEVICE: not usable, got abacus; choose one of cpu, webgpu, cuda, auto\n',
  ]);
});
