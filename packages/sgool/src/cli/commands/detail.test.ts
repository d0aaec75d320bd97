import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { parseParameters } from '../../image/parameters.ts';
import { encodePng } from '../../image/png.ts';
import { readPngText } from '../../image/png-text.ts';
import { readImage } from '../../image/read-image.ts';
import { defined } from '../../testing.ts';
import { discImage, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-detail-'));
  await writeFile(join(cwd, 'disc.png'), encodePng(discImage(1, 48)));
  await writeFile(join(cwd, 'mask.png'), encodePng(createImage(48, 48, [255, 255, 255])));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);
const PROMPT = 'a red disc';
const detail = (...argv: string[]) => ['detail', 'disc.png', PROMPT, '--seed', '5', '--out', 'out', ...argv];
const inOut = (name: string) => join(cwd, 'out', name);
const savedRun = async () => JSON.parse(await readFile(inOut('run.json'), 'utf8'));

describe('detail', () => {
  it('leaves what generate leaves, and the image as it was', async () => {
    const { code, stdout, stderr } = await sgool(detail(), { isTTY: true });
    expect([code, stdout.trim()]).toEqual([0, join('out', 'image.png')]);
    expect(stderr).toMatch(/the image itself in/);
    expect((await readdir(join(cwd, 'out'))).sort()).toEqual([
      'before.png',
      'image.png',
      'input.png',
      'progress.png',
      'run.json',
      'saliency.png',
    ]);
    expect(await readImage(inOut('input.png'))).toEqual(discImage(1, 48));
  });

  it('says in record and image what was done to which image', async () => {
    await sgool(detail('--box', '4,4,16,16', '--box', '24,24,16,16', '--detail-strength', '0.6'));
    const image = join(cwd, 'disc.png');
    const run = await savedRun();
    expect(run).toMatchObject({
      kind: 'detail',
      image,
      method: 'detail',
      request: { image, boxes: '4,4,16,16,24,24,16,16', detailStrength: 0.6, method: 'detail' },
    });
    expect(run.inputHashes.image).toMatch(/^[0-9a-f]{64}$/);
    const { parameters, sgool: own } = readPngText(await readFile(inOut('image.png')));
    expect(parseParameters(defined(parameters)).settings).toMatchObject({
      'SGOOL method': 'detail',
      'SGOOL detail strength': '0.6',
      Size: '48x48',
    });
    expect(JSON.parse(defined(own))).toMatchObject({ kind: 'detail', request: { image: 'disc.png' } });
  });

  it('writes down a command that does the same again, and can be repeated', async () => {
    await sgool(detail('--mask', 'mask.png', '--region-prompt', 'a cat [SEP] [SKIP]', '--no-only-masked'));
    const first = await savedRun();
    expect(first.request.saliency).toBe('mask');
    expect(first.repeat).toMatch(/^sgool detail .* -- \S+disc\.png 'a red disc'$/);
    const { repeat } = first;
    const words = [...repeat.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]: string[]) => quoted ?? plain,
    );
    const { code, stderr } = await sgool([...words.slice(1, -3), '--out', 'again', ...words.slice(-3)]);
    expect([stderr.includes('sgool: --'), code]).toEqual([false, 0]);
    const again = JSON.parse(await readFile(join(cwd, 'again', 'run.json'), 'utf8'));
    expect(again.request).toEqual(first.request);
    const repeated = await sgool(['repeat', 'out/image.png', '--out', 'third']);
    expect(repeated.stderr).toMatch(/has the same bytes as out\/image\.png/);
    expect(JSON.parse(await readFile(join(cwd, 'third', 'run.json'), 'utf8'))).toMatchObject({
      kind: 'detail',
      request: { regionPrompt: 'a cat [SEP] [SKIP]', onlyMasked: false },
    });
  });

  it('makes a series, which goes on as what it was', async () => {
    const stopped = await sgool(detail('--count', '2'), {
      fake: {
        before: () => {
          throw new DOMException('stop', 'AbortError');
        },
      },
    });
    expect(stopped.code).not.toBe(0);
    const { code } = await sgool(['detail', 'disc.png', PROMPT, '--count', '2', '--out', 'two']);
    expect(code).toBe(0);
    expect(JSON.parse(await readFile(join(cwd, 'two', 'summary.json'), 'utf8'))).toMatchObject({
      kind: 'detail',
      total: 2,
    });
  });

  it.each([
    [
      ['--box', '40,4,16,16'],
      /^sgool: detail: box 40,4,16,16 is not inside the image, which is 48 x 48; .*$/,
    ],
    [
      ['--box', '4,4,16'],
      /^sgool: --box: not usable, got 4,4,16; it must be x,y,width,height in whole pixels/,
    ],
    [['--method', 'sd'], /unknown option '--method'/],
    [['--lambda', '2'], /unknown option '--lambda'/],
    [['--ad-mask-blur', '2'], /unknown option '--ad-mask-blur' \(did you mean --detail-feather\?\)/],
    [['--ad-model', 'x'], /no detector of faces or hands; --saliency chooses/],
    [['--ad-checkpoint', 'x'], /regions are repainted by the model of the run/],
    [['--detail-sampler', 'DPM++ 2M Karras'], /the schedule Karras is that of the run/],
    [['--detail-strength', '0'], /--detail-strength: not usable, got 0; give a number above 0 up to 1/],
  ])('refuses %j in one line, and leaves nothing', async (words, message) => {
    const { code, stderr } = await sgool(detail(...words));
    expect(code).not.toBe(0);
    expect(stderr.trim()).toMatch(message);
    expect(await readdir(cwd)).toEqual(['disc.png', 'mask.png']);
  });

  it("takes the web UI's names of samplers for regions", async () => {
    await sgool(detail('--detail-sampler', 'Euler a'));
    expect((await savedRun()).request.detailSampler).toBe('euler-ancestral');
  });
});

describe('generate --detail', () => {
  const generate = (...argv: string[]) => ['generate', PROMPT, '--seed', '5', '--out', 'out', ...argv];

  it('has the settings of the pass, and says so in the record and the command', async () => {
    const { code } = await sgool(generate('--method', 'doodl', '--detail', '--box', '4,4,16,16'));
    expect(code).toBe(0);
    const run = await savedRun();
    expect(run).toMatchObject({
      kind: 'generate',
      method: 'doodl',
      request: { detail: true, boxes: '4,4,16,16' },
    });
    expect(run.repeat).toMatch(/ --detail .*--box 4,4,16,16 /);
    const { stderr } = await sgool(['repeat', 'out/run.json', '--out', 'again']);
    expect(stderr).not.toMatch(/warning/);
    const again = JSON.parse(await readFile(join(cwd, 'again', 'run.json'), 'utf8'));
    expect(again.request).toEqual(run.request);
  });

  it.each([
    [
      ['--method', 'doodl', '--box', '4,4,16,16'],
      /^sgool: --box: method doodl has no such option; detail has it, and --detail adds it to any method$/,
    ],
    [
      ['--method', 'detail', '--detail'],
      /^sgool: request: detail: method detail has the detail pass already; leave out detail$/,
    ],
    [
      ['--method', 'sd', '--detail', '--lambda', '2'],
      /^sgool: --lambda: method sd has no such option; sgool has it$/,
    ],
    [
      ['--method', 'sd', '--detail', '--box', '20,4,16,16'],
      /^sgool: detail: box 20,4,16,16 is not inside the image, which is 32 x 32; /,
    ],
  ])('refuses %j in one line', async (words, message) => {
    const { code, stderr } = await sgool(generate(...words));
    expect(code).not.toBe(0);
    expect(stderr.trim()).toMatch(message);
  });
});

describe("an image of After Detailer's", () => {
  const read = async (more: string, words: readonly string[] = []) => {
    const settings =
      'Steps: 20, Sampler: DDIM, CFG scale: 7, Seed: 1, Size: 64x64, Model: toybox, RNG: CPU, Version: v1.10';
    const text = { parameters: `a cat\n${settings}${more}` };
    await writeFile(join(cwd, 'foreign.png'), encodePng(discImage(0), { text }));
    const ended = await sgool(['repeat', 'foreign.png', '--out', 'out', ...words]);
    const request = ended.code === 0 ? (await savedRun()).request : undefined;
    return { ...ended, request };
  };

  it('is repeated with the settings that are the same, and the others are named', async () => {
    const { request, stderr } = await read(
      ', ADetailer model: face_yolov8n.pt, ADetailer prompt: "a face, smiling", ADetailer negative prompt: hands, ADetailer confidence: 0.3,' +
        ' ADetailer mask min ratio: 0.1, ADetailer mask max ratio: 0.9, ADetailer x offset: 3, ADetailer y offset: -2,' +
        ' ADetailer dilate erode: 4, ADetailer mask merge invert: Merge and Invert, ADetailer mask blur: 5,' +
        ' ADetailer denoising strength: 0.35, ADetailer inpaint only masked: True, ADetailer inpaint padding: 30,' +
        ' ADetailer use inpaint width height: True, ADetailer inpaint width: 72, ADetailer inpaint height: 80,' +
        ' ADetailer use separate steps: True, ADetailer steps: 9, ADetailer use separate CFG scale: True, ADetailer CFG scale: 3,' +
        ' ADetailer use separate sampler: True, ADetailer sampler: Euler a, ADetailer use separate CLIP skip: True, ADetailer CLIP skip: 2,' +
        ' ADetailer restore face: True, ADetailer denoising strength 2nd: 0.5, ADetailer version: 24.5.1',
    );
    expect(request).toMatchObject({
      method: 'detail',
      regionPrompt: 'a face, smiling',
      regionNegativePrompt: 'hands',
      minRegionArea: 0.1,
      maxRegionArea: 0.9,
      regionOffsetX: 3,
      regionOffsetY: -2,
      regionDilation: 2,
      regionMerge: 'invert',
      // 5 is the deviation of a Gaussian.
      detailFeather: 17,
      detailStrength: 0.35,
      onlyMasked: true,
      detailPadding: 30,
      detailWidth: 72,
      detailHeight: 80,
      detailSteps: 9,
      detailGuidance: 3,
      detailSampler: 'euler-ancestral',
      detailClipSkip: 2,
    });
    const named = [...stderr.matchAll(/not repeated: (.*)/g)].map(([, text]) => text);
    expect(named).toEqual([
      'ADetailer model face_yolov8n.pt: the salient regions are repainted instead',
      'ADetailer confidence 0.3',
      'ADetailer restore face True',
      'ADetailer denoising strength 2nd 0.5',
    ]);
  });

  it('may have a sampler whose schedule is not that of the run', async () => {
    const { request, stderr } = await read(
      ', ADetailer model: hand_yolov8n.pt, ADetailer inpaint only masked: False, ADetailer sampler: DPM++ 2M Karras',
    );
    expect(request).toMatchObject({ method: 'detail', onlyMasked: false, detailSampler: 'same' });
    expect(stderr).toMatch(/not repeated: ADetailer sampler DPM\+\+ 2M Karras/);
  });

  it('is plain without it', async () => {
    expect((await read('')).request).toMatchObject({ method: 'sd' });
  });
});
