/** @file Target images, the text for CLIP and the edit on the command line: read, recorded, repeated. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { parseParameters } from '../../image/parameters.ts';
import { encodePng } from '../../image/png.ts';
import { readPngText } from '../../image/png-text.ts';
import { readImage } from '../../image/read-image.ts';
import type { MethodRequest } from '../../request/request.ts';
import { defined } from '../../testing.ts';
import { runCli } from '../cli.ts';
import { readTargetImages } from '../options/target-images.ts';
import { discImage, fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-target-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(1)));
  await writeFile(join(cwd, 'a cat, 2.png'), encodePng(createImage(70, 20, [9, 9, 9])));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);
const generate = (...argv: string[]) => ['generate', 'a cat', '--seed', '5', '--out', 'out', ...argv];
const inCwd = (...names: string[]) => join(cwd, ...names);
const record = async (folder = 'out') => JSON.parse(await readFile(inCwd(folder, 'run.json'), 'utf8'));
const TARGETS = ['--target-image', 'disc.png:0.5', '--target-image', 'a cat, 2.png'];

describe('--target-image', () => {
  it('reaches the method, each with its weight', async () => {
    const engine = fakeEngine();
    const seen: MethodRequest[] = [];
    const doodl = { ...engine.methods.doodl };
    const spied: typeof doodl = {
      ...doodl,
      run(pipeline, request, options) {
        seen.push(request);
        return doodl.run(pipeline, request, options);
      },
    };
    const host = fakeHost(cwd, { engine: { ...engine, methods: { ...engine.methods, doodl: spied } } });
    expect(await runCli(generate('--method', 'doodl', ...TARGETS, '--text-weight', '0'), host)).toBe(0);
    expect(seen.at(-1)).toMatchObject({
      textWeight: 0,
      targetImages: [{ image: discImage(1), weight: 0.5 }, { image: await readImage(inCwd('a cat, 2.png')) }],
    });
  });

  it('is in record, image and the command that repeats, and repeat makes the same bytes', async () => {
    expect(
      (await sgool(generate(...TARGETS, '--clip-prompt', 'a dog: "red", or', '--optimise-from', '0.4'))).code,
    ).toBe(0);
    const { request, repeat, inputHashes } = await record();
    expect(request).toMatchObject({
      targetImage: [`${inCwd('disc.png')}:0.5`, inCwd('a cat, 2.png')],
      clipPrompt: 'a dog: "red", or',
      textWeight: 1,
      optimiseFrom: 0.4,
    });
    expect(inputHashes.targetImage).toHaveLength(2);
    expect(repeat).toContain(`--target-image ${inCwd('disc.png')}:0.5`);
    const texts = readPngText(await readFile(inCwd('out', 'image.png')));
    expect(parseParameters(defined(texts.parameters)).settings).toMatchObject({
      'CLIP prompt': 'a dog: "red", or',
      'CLIP images': 'disc.png:0.5, a cat, 2.png',
    });
    for (const text of Object.values(texts)) expect(text).not.toContain(cwd);
    expect((await sgool(['repeat', 'out/image.png', '--out', 'again'])).stderr).toContain(
      'has the same bytes as',
    );
    expect((await record('again')).request).toEqual(request);
  });

  it('is found again where it was moved to, and nothing else is taken for it', async () => {
    await sgool(generate(...TARGETS));
    await mkdir(inCwd('moved'));
    await rename(inCwd('disc.png'), inCwd('moved', 'other.png'));
    const again = (...more: string[]) => sgool(['repeat', 'out/run.json', '--out', 'again', ...more]);
    expect((await again()).stderr).toMatch(
      /--target-image: the target image disc\.png .* is not found; say where it is/,
    );
    expect((await again('--target-image', 'moved/other.png')).stderr).toMatch(
      /made with 2 target images, got 1/,
    );
    const both = ['--target-image', 'moved/other.png', '--target-image', 'a cat, 2.png'];
    expect((await again(...both)).code).toBe(0);
    expect((await record('again')).request.targetImage[0]).toBe(`${inCwd('moved', 'other.png')}:0.5`);
    const wrong = ['--target-image', 'a cat, 2.png', '--target-image', 'a cat, 2.png'];
    expect((await again(...wrong)).stderr).toMatch(/disc\.png .* is not the same any more/);
    await sgool(['generate', 'a cat', '--seed', '5', '--out', 'plain']);
    const none = await sgool(['repeat', 'plain/image.png', ...both, '--out', 'x']);
    expect(none.stderr).toMatch(/was made with 0 target images, got 2/);
  });

  it('comes from the file, as one or several, and from the environment', async () => {
    for (const targetImage of ['disc.png:2', ['disc.png:2', 'a cat, 2.png']]) {
      await writeFile(inCwd('sgool.config.json'), JSON.stringify({ targetImage }));
      await sgool(generate());
      expect((await record()).request.targetImage).toEqual([targetImage].flat().map((text) => inCwd(text)));
      await rm(inCwd('out'), { recursive: true });
    }
    await rm(inCwd('sgool.config.json'));
    await sgool(generate(), { env: { SGOOL_TARGET_IMAGE: 'a cat, 2.png:0.1' } });
    expect((await record()).request.targetImage).toEqual([`${inCwd('a cat, 2.png')}:0.1`]);
  });

  it('becomes white where it is transparent', async () => {
    const clear = { width: 8, height: 8, channels: 4 as const };
    await sharp({ create: { ...clear, background: { r: 0, g: 0, b: 0, alpha: 0 } } }).toFile(
      inCwd('clear.png'),
    );
    expect(await readTargetImages([inCwd('clear.png')], fakeHost(cwd, {}))).toEqual([
      { image: createImage(8, 8, [255, 255, 255]) },
    ]);
  });

  it('is an option of refine', async () => {
    const refine = ['refine', 'disc.png', 'a cat', '--out', 'out', '--seed', '1'];
    expect((await sgool([...refine, ...TARGETS])).code).toBe(0);
    expect((await record()).request.targetImage).toHaveLength(2);
    expect((await sgool(['repeat', 'out/image.png', '--out', 'again'])).stderr).toContain(
      'has the same bytes as',
    );
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'a file that is not there',
      ['--target-image', 'nowhere.png'],
      1,
      /nowhere\.png: the file does not exist/,
    ],
    ['a file that is no image', ['--target-image', 'notes.txt'], 1, /notes\.txt: not an image/],
    ['a folder', ['--target-image', '.'], 1, /folder/],
    [
      'nothing',
      ['--target-image', ''],
      2,
      /--target-image: not usable, got nothing; give file or file:weight/,
    ],
    [
      'a negative weight',
      ['--target-image', 'disc.png:-2'],
      2,
      /weight of disc\.png must be above 0, up to 1000, got -2/,
    ],
    ['a weight of 0', ['--target-image', 'disc.png:0'], 2, /weight of disc\.png must be above 0.*got 0/],
    [
      'a method without',
      ['--method', 'sd', '--target-image', 'disc.png'],
      2,
      /method sd has no such option; clip-guided/,
    ],
    [
      'a weight of the text alone',
      ['--text-weight', '0.5'],
      1,
      /textWeight 0.5 weighs the text beside target images/,
    ],
    ['a negative weight of the text', ['--text-weight', '-1'], 2, /--text-weight: not usable, got -1/],
    [
      'a text for CLIP without CLIP',
      ['--method', 'sd', '--clip-prompt', 'x'],
      2,
      /--clip-prompt: method sd has no such/,
    ],
    ['no step left', ['--optimise-from', '10', '--steps', '10'], 1, /whole number of steps below 10, got 10/],
    ['the name of DOODL', ['--opt-t', '5'], 2, /--optimise-from/],
  ])('refuses %s in one line', async (_what, argv, exit, message) => {
    await writeFile(inCwd('notes.txt'), 'no image');
    const { code, stdout, stderr } = await sgool(generate(...argv));
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([exit, '']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('warns of a text for CLIP that is too long', async () => {
    const { stderr } = await sgool(generate('--clip-prompt', 'a red disc on white'), {
      fake: { maxTokens: 3 },
    });
    expect(stderr).toMatch(/the text for CLIP is too long for CLIP A and CLIP B: .* the last 2 are left out/);
  });
});

describe('refine --edit sdedit', () => {
  const refine = (...argv: string[]) => [
    ...['refine', 'disc.png', 'a cat', '--edit', 'sdedit', '--out', 'out', '--seed', '5'],
    ...argv,
  ];

  it('is in record, image and the command that repeats', async () => {
    expect((await sgool(refine('--sampler', 'euler'))).code).toBe(0);
    const { request, repeat } = await record();
    expect(request).toMatchObject({ edit: 'sdedit', strength: 0.8, sampler: 'euler' });
    expect(repeat).toMatch(/--edit sdedit .*--strength 0.8/);
    const { parameters } = readPngText(await readFile(inCwd('out', 'image.png')));
    expect(parseParameters(defined(parameters)).settings).toMatchObject({
      'Denoising strength': '0.8',
      'SGOOL edit': 'sdedit',
    });
    expect((await sgool(['repeat', 'out/image.png', '--out', 'again'])).stderr).toContain(
      'has the same bytes as',
    );
  });

  it('is made for several seeds', async () => {
    expect((await sgool(refine('--count', '3'))).code).toBe(0);
    const { runs } = JSON.parse(await readFile(inCwd('out', 'summary.json'), 'utf8'));
    expect(runs.map(({ seed }: { seed: number }) => seed)).toEqual([5, 6, 7]);
  });

  it.each<[string, string[], number, RegExp]>([
    ['a description', ['--from', 'a disc'], 1, /sdedit inverts nothing/],
    ['an unknown edit', ['--edit', 'img2im'], 2, /--edit/],
    ['an unknown sampler', ['--sampler', 'eulr'], 2, /eulr.*did you mean euler/],
  ])('refuses %s in one line', async (_what, argv, exit, message) => {
    const { code, stderr } = await sgool(refine(...argv));
    expect(stderr).toMatch(message);
    expect(code).toBe(exit);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
