import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { parseParameters } from '../../image/parameters.ts';
import { encodePng } from '../../image/png.ts';
import { readPngText } from '../../image/png-text.ts';
import { readImage } from '../../image/read-image.ts';
import { defined } from '../../testing.ts';
import { runCli } from '../cli.ts';
import { discImage, fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-refine-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(1)));
  await writeFile(join(cwd, 'mask.png'), encodePng(createImage(64, 64, [255, 255, 255])));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);

const PROMPT = 'a blue disc';
const refine = (...argv: string[]) => ['refine', 'disc.png', PROMPT, '--seed', '5', '--out', 'out', ...argv];
const inOut = (name: string) => join(cwd, 'out', name);
const savedRun = async () => JSON.parse(await readFile(inOut('run.json'), 'utf8'));

describe('refine', () => {
  it('leaves what generate leaves, and the image as the model took it', async () => {
    const { code, stdout } = await sgool(refine());
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(/image\.png$/);
    expect((await readdir(join(cwd, 'out'))).sort()).toEqual([
      'before.png',
      'image.png',
      'input.png',
      'progress.png',
      'run.json',
      'saliency.png',
    ]);
    expect(await readImage(inOut('input.png'))).toEqual(discImage(1));
  });

  it('says in JSON, record and image what it was made from', async () => {
    const { stdout } = await sgool(refine('--json', '--strength', '0.5', '--from', 'a disc'));
    const image = join(cwd, 'disc.png');
    expect(JSON.parse(stdout)).toMatchObject({ image, prompt: PROMPT, paths: { input: inOut('input.png') } });
    expect(await savedRun()).toMatchObject({
      image,
      request: { image, sourcePrompt: 'a disc', strength: 0.5, fit: 'crop' },
    });
    const { parameters } = readPngText(await readFile(inOut('image.png')));
    expect(parseParameters(defined(parameters)).settings).toMatchObject({ 'Denoising strength': '0.5' });
  });

  it.each([
    [
      'p2p',
      ['--from', 'a disc', '--cross-replace', '0.3', '--reweight', 'disc=2', '--iterations', '0'],
      { crossReplace: 0.3, reweight: 'disc=2' },
    ],
    [
      'rf-inversion',
      ['--control-gamma', '0.4', '--control-eta', '0.8', '--control-start', '0.1', '--control-stop', '0.2'],
      { controlGamma: 0.4, controlEta: 0.8, controlStart: 0.1, controlStop: 0.2 },
    ],
  ] as const)('records the settings of the edit %s, for repeat', async (edit, words, settings) => {
    const { code, stderr } = await sgool(refine('--edit', edit, ...words));
    expect([code, stderr]).toEqual([0, expect.anything()]);
    expect((await savedRun()).request).toMatchObject({ edit, ...settings });
  });

  it.each([
    [{ paintsMask: true }, ['--mask', 'mask.png'], /painted image in/, /paints what the mask leaves open/],
    [{ paintsMask: true }, [], /the image itself in/, /for inpainting: without a mask/],
    [{}, ['--mask', 'mask.png'], /the image itself in/, undefined],
  ])('says what the model makes of the image: %j with %j', async (fake, more, first, note) => {
    const { code, stderr } = await sgool(refine(...more), { fake, isTTY: true });
    expect(code).toBe(0);
    expect(stderr).toMatch(first);
    if (note) expect(stderr).toMatch(note);
    else expect(stderr).not.toMatch(/for inpainting/);
  });

  it('takes any sampler for a model that paints masks, and its defaults are those of generation', async () => {
    const fake = { paintsMask: true };
    const { code } = await sgool(refine('--mask', 'mask.png', '--sampler', 'euler'), { fake });
    expect(code).toBe(0);
    expect((await savedRun()).request).toMatchObject({ sampler: 'euler', guidanceScale: 7.5 });
    const { stderr } = await sgool(['generate', PROMPT, '--out', 'plain'], { fake });
    expect(stderr).toMatch(/the model is for inpainting: without an image it paints all of it/);
  });

  it('writes down a command that does the same again', async () => {
    await sgool(refine('--mask', 'mask.png', '--no-invert-mask', '--feather', '3', '--fit', 'letterbox'));
    const { repeat } = await savedRun();
    expect(repeat).toMatch(/^sgool refine .* -- \S*disc\.png 'a blue disc'$/);
    for (const part of ['--no-invert-mask', '--feather 3', '--fit letterbox', '--strength 1', '--steps 5']) {
      expect(repeat).toContain(part);
    }
    expect(repeat).toContain(`--mask ${join(cwd, 'mask.png')}`);
    expect(repeat).not.toContain('--method');
    const words = defined((repeat as string).match(/'[^']*'|\S+/g)).map((word) => word.replaceAll("'", ''));
    expect((await sgool([...words.slice(1, 2), '--out', 'again', ...words.slice(2)])).code).toBe(0);
  });

  it('names its folder after image and prompt', async () => {
    await sgool(['refine', 'disc.png', PROMPT, '--seed', '5']);
    expect(await readdir(join(cwd, 'sgool-output'))).toEqual(['2026-11-22-disc-a-blue-disc-5']);
  });

  it('says what becomes of an image of another shape', async () => {
    await writeFile(join(cwd, 'wide.png'), encodePng(createImage(300, 100, [9, 9, 9])));
    const argv = ['refine', 'wide.png', PROMPT, '--out', 'wide'];
    expect((await sgool(argv)).stderr).toMatch(/300 x 100, scaled to 32 x 32: left and right are cut off/);
    expect((await sgool([...argv, '--quiet'])).stderr).toBe('');
    expect((await sgool(refine())).stderr).not.toMatch(/scaled/);
  });

  it('takes images with transparent parts, and masks painted on a transparent layer', async () => {
    const clear = { width: 32, height: 32, channels: 4 as const };
    await sharp({ create: { ...clear, background: { r: 0, g: 0, b: 0, alpha: 0 } } }).toFile(
      join(cwd, 'clear.png'),
    );
    expect((await sgool(['refine', 'clear.png', PROMPT, '--out', 'white'])).code).toBe(0);
    expect(await readImage(join(cwd, 'white', 'input.png'))).toEqual(createImage(32, 32, [255, 255, 255]));
    const { code, stderr } = await sgool(refine('--mask', 'clear.png'));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/mask is black all over/)]);
  });

  it('warns of texts that are too long', async () => {
    const { stderr } = await sgool(refine('--from', 'a red disc on white'), { fake: { maxTokens: 3 } });
    expect(stderr).toMatch(/the description of the image is too long for toybox: .* the last 2 are left out/);
    expect(stderr).not.toMatch(/the prompt is too long/);
  });

  it('keeps the best so far at Ctrl-C', async () => {
    const host = fakeHost(cwd, {
      engine: fakeEngine({
        before: (iteration) => {
          if (iteration === 2) host.interrupt();
        },
      }),
    });
    expect(await runCli(refine(), host)).toBe(130);
    expect(await readdir(join(cwd, 'out'))).toEqual(expect.arrayContaining(['image.png', 'input.png']));
    expect((await savedRun()).status).toBe('stopped');
  });

  it('leaves nothing when it is stopped before there is an image', async () => {
    const host = fakeHost(cwd, { engine: fakeEngine({ before: () => host.interrupt() }) });
    expect(await runCli(refine(), host)).toBe(130);
    expect(await readdir(cwd)).not.toContain('out');
  });
});

describe('options of refine', () => {
  it('come from the file as well, which may hold what only other commands know', async () => {
    const config = { strength: 0.25, method: 'doodl', iterations: 2 };
    await writeFile(join(cwd, 'sgool.config.json'), JSON.stringify(config));
    const { code } = await sgool(refine('--quiet'), { env: { SGOOL_FIT: 'letterbox' } });
    expect(code).toBe(0);
    expect((await savedRun()).request).toMatchObject({
      strength: 0.25,
      fit: 'letterbox',
      method: 'sgool',
      iterations: 2,
    });
    const generated = ['generate', 'a cat', '--out', 'generated'];
    expect((await sgool(generated)).code).toBe(0);
  });

  it('are in its help', async () => {
    const { stdout } = await sgool(['refine', '--help']);
    for (const word of [
      '--from <text>',
      '--mask <file>',
      '--invert-mask',
      '--strength <number>',
      '--fit <name>',
      '--feather',
    ])
      expect(stdout).toContain(word);
    expect(stdout).not.toContain('--method');
  });
});

describe('mistakes end in one line', () => {
  beforeEach(async () => {
    await writeFile(join(cwd, 'notes.txt'), 'no image');
    await writeFile(join(cwd, 'black.png'), encodePng(createImage(32, 32)));
    await writeFile(join(cwd, 'flat.png'), encodePng(createImage(64, 8, [255, 255, 255])));
  });

  it.each<[string, string[], number, RegExp]>([
    ['no prompt', ['refine', 'disc.png'], 2, /missing required argument 'prompt'/],
    ['an empty prompt', ['refine', 'disc.png', ' '], 2, /prompt: must not be empty/],
    [
      'words without quotes',
      ['refine', 'disc.png', 'a', 'cat'],
      2,
      /quotes: sgool refine image\.png "a red cat"/,
    ],
    [
      'an image that is not there',
      ['refine', 'nowhere.png', 'a cat'],
      1,
      /nowhere\.png: the file does not exist/,
    ],
    ['a file that is no image', ['refine', 'notes.txt', 'a cat'], 1, /notes\.txt: not an image/],
    ['prompt and image swapped', ['refine', 'a cat', 'disc.png'], 1, /a cat: the file does not exist/],
    ['a mask that is not there', refine('--mask', 'nowhere.png'), 1, /nowhere\.png: the file does not exist/],
    ['a mask of another shape', refine('--mask', 'flat.png'), 1, /64 x 8.*32 x 32/],
    ['an empty mask', refine('--mask', 'black.png'), 1, /black all over/],
    ['a full mask, inverted', refine('--mask', 'mask.png', '--invert-mask'), 1, /white all over/],
    ['an empty description', refine('--from', ' '), 2, /--from: not usable/],
    ['an inverted mask that is none', refine('--invert-mask'), 1, /needs a mask/],
    [
      'another sampler',
      refine('--sampler', 'ddim'),
      1,
      /sampler must be edict or reversible-heun, got ddim.*sdedit takes any/,
    ],
    ['another method', refine('--method', 'doodl'), 2, /unknown option '--method'/],
    ['too much strength', refine('--strength', '2'), 2, /--strength.*2.*above 0 up to 1/],
    ['an unknown way to fit', refine('--fit', 'letterbx'), 2, /letterbx.*did you mean letterbox/],
    ['an unknown option', refine('--stength', '1'), 2, /stength/],
  ])('%s', async (_what, argv, exit, message) => {
    const { code, stdout, stderr } = await sgool(argv);
    expect([code, stdout]).toEqual([exit, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await readdir(cwd)).not.toContain('out');
  });
});
