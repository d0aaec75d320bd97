import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createImage } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { encodeApng } from '../../image/video/apng.ts';
import { writeOnnxScorer } from '../../pipeline/testing.ts';
import { openOnnxScorer } from '../../preference/onnx/onnx-scorer.ts';
import { createScorer } from '../../preference/scorer.ts';
import { PREFERENCE, type PreferenceCase, preferenceCases, TOKENIZER } from '../../preference/testing.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import { defined } from '../../testing.ts';
import { openTensorFile } from '../../weights/formats/tensor-file.ts';
import { findAdded } from '../../weights/open/added.ts';
import { storeAdded } from '../../weights/open/store-added.ts';
import { runCli } from '../cli.ts';
import { discImage, fakeEngine, fakeHost } from '../testing.ts';

const COMMIT = 'c'.repeat(40);

let cwd: string;
let env: Record<string, string>;
let cases: Record<string, PreferenceCase>;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'sgool-score-'));
  env = { SGOOL_DATA_DIR: path.join(cwd, 'data'), HF_HUB_CACHE: path.join(cwd, 'hub') };
  const first = async (name: string) => (await preferenceCases(name))[0];
  const names = ['hps-v2', 'pickscore', 'image-reward'];
  cases = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await first(name)])));
  await writeFile(path.join(cwd, 'image.png'), encodePng(cases['hps-v2'].image));

  // HPS v2 as it is after `models add`, with the numbers of heads, which the shapes of a tiny network do not determine.
  const { tensors } = await openTensorFile(`${PREFERENCE}HPS_v2_compressed.pt`);
  const config = JSON.parse(await readFile(`${PREFERENCE}hps-v2.json`, 'utf8'));
  await storeAdded('hps-v2', { ...config, names: 'openai' }, tensors, env);
  // PickScore as it is after `models pull`.
  const model = path.join(defined(env.HF_HUB_CACHE), 'models--yuvalkirstain--PickScore_v1');
  await mkdir(path.join(model, 'refs'), { recursive: true });
  await writeFile(path.join(model, 'refs/main'), COMMIT);
  await cp(`${PREFERENCE}pickscore`, path.join(model, 'snapshots', COMMIT), { recursive: true });
});
afterAll(() => rm(cwd, { recursive: true }));

async function sgool(...argv: string[]) {
  const host = fakeHost(cwd, { env });
  return { code: await runCli(argv, host), ...host.written };
}

async function score(...options: string[]) {
  const host = fakeHost(cwd, { env: { ...env, SGOOL_TOKENIZER: TOKENIZER } });
  return {
    code: await runCli(['score', 'image.png', cases['hps-v2'].prompt, ...options], host),
    ...host.written,
  };
}

describe('sgool score --scorer', () => {
  it("prints preference models' scores in their authors' scales, without the model's CLIP", async () => {
    const { code, stdout, stderr } = await score(
      '--scorer',
      `pickscore, hps-v2,image-reward=${PREFERENCE}image-reward`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const shown = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s{2,}/)),
    );
    expect(shown).toEqual({
      'hps-v2': cases['hps-v2'].score.toFixed(4),
      pickscore: cases.pickscore.score.toFixed(3),
      'image-reward': cases['image-reward'].score.toFixed(4),
    });
  });

  it('puts them beside the CLIP scores in JSON', async () => {
    const { stdout } = await score('--scorer', 'clip', '--scorer', 'hps-v2', '--json');
    const { clip, scores, truncated } = JSON.parse(stdout);
    expect({ clip, truncated }).toEqual({ clip: { A: 25.5, B: 24.25 }, truncated: false });
    expect(scores['hps-v2']).toBeCloseTo(cases['hps-v2'].score, 5);
  });

  it('warns of a prompt that is too long', async () => {
    const { stderr, stdout } = await sgool(
      ...['score', 'image.png', 'two red boats '.repeat(12)],
      ...['--scorer', 'hps-v2', '--tokenizer', TOKENIZER, '--json'],
    );
    expect(stderr).toMatch(
      /^sgool: warning: the prompt is too long for hps-v2: its first 14 tokens are used/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ truncated: true });
  });

  const mistakes: [string, string[], number, RegExp][] = [
    ['an unknown scorer', ['--scorer', 'pickscor'], 2, /--scorer: .*got pickscor.*did you mean pickscore/],
    [
      'a scorer twice',
      ['--scorer', 'clip,hps-v2,clip'],
      2,
      /--scorer: two scores are called clip_a; give each/,
    ],
    [
      'an ONNX file that is not there',
      ['--scorer', 'onnx:none.onnx'],
      1,
      /scorer onnx: .*none\.onnx: there is no such file/,
    ],
    [
      'a program that is not there',
      ['--scorer', 'exec:/none/score.sh'],
      1,
      /objective: program \/none\/score\.sh: /,
    ],
    [
      'a server that is not there',
      ['--scorer', 'http://127.0.0.1:9/score'],
      1,
      /objective: verifier http:\/\/127\.0\.0\.1:9\/score: /,
    ],
    [
      'weights that are not here',
      ['--scorer', 'hps-v2.1'],
      1,
      /hps-v2\.1: its weights are not here; fetch them with: sgool models pull xswu\/HPSv2 --file HPS_v2\.1_compressed\.pt, or/,
    ],
    [
      'weights behind a link',
      ['--scorer', 'hps-v1'],
      1,
      /download the file that github\.com\/tgxs002\/align_sd links/,
    ],
    ['a file that is not there', ['--scorer', 'hps-v1=none.pth'], 1, /none\.pth/],
    ['a file of another kind', ['--scorer', 'hps-v1=image.png'], 1, /image\.png/],
  ];
  it.each(mistakes)('reports %s in one line', async (_, options, exit, message) => {
    const { code, stdout, stderr } = await score(...options);
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim()).not.toContain('\n');
  });

  it.each([
    ['hps-v2', ['--lora', 'a.safetensors'], 'lora'],
    ['exec:./score.sh', ['--device', 'cpu'], 'device'],
    ['onnx:mine.onnx', ['--tokenizer', 'x'], 'tokenizer'],
    ['hps-v2,onnx:mine.onnx', ['--model', 'nowhere'], 'model'],
    ['hps-v2', ['--no-ema'], 'ema'],
    ['clip', ['--lora', 'a.safetensors'], 'lora'],
    ['clip', ['--motion', 'toybox-motion'], 'motion'],
    ['clip,clip_c', ['--adapter', 'a.safetensors'], 'adapter'],
    ['clip', ['--context-frames', '4'], 'context-frames'],
  ])('%s does not read %j', async (names, words, flag) => {
    const { code, stderr } = await score('--scorer', names, ...words);
    expect([code, stderr]).toEqual([2, expect.stringMatching(`^sgool: --${flag}: changes no score of `)]);
  });

  it('takes the scorers of an objective: ONNX files, programs, servers', async () => {
    const onnx = await writeOnnxScorer(cwd);
    const program = path.join(cwd, 'length.sh');
    await writeFile(program, '#!/bin/sh\nprintf %s "$2" | wc -c\n');
    await chmod(program, 0o755);
    const server = createServer(async (request, response) => {
      const { prompt, width } = (await json(request)) as { prompt: string; width: number };
      response.end(JSON.stringify({ score: prompt.length + width / 1000 }));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/score`;
    const names = `onnx:${path.relative(cwd, onnx)},exec:${program},${url},hps-v2`;
    const { code, stdout, stderr } = await score('--scorer', names, '--json');
    server.close();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { image, prompt } = cases['hps-v2'];
    const { scores } = JSON.parse(stdout);
    expect(Object.keys(scores)).toEqual(['mine', 'length.sh', url, 'hps-v2']);
    expect(scores['length.sh']).toBe(prompt.length);
    expect(scores[url]).toBeCloseTo(prompt.length + image.width / 1000, 9);
    const { model } = await openOnnxScorer(onnx);
    const programs = new ProgramCache({});
    const mine = await createScorer(model, programs).score(image, prompt);
    await programs.dispose();
    expect(scores.mine).toBeCloseTo(mine, 5);
  });

  it('takes another CLIP from the model', async () => {
    const engine = fakeEngine();
    const asked: unknown[] = [];
    const openPipeline: typeof engine.openPipeline = async (...args) => ({
      ...(await engine.openPipeline(...args)),
      scorers: async (items) => {
        asked.push(...items);
        const fit = () => ({ truncated: true, kept: 2, lost: 1, unknown: ['red'] });
        return [{ name: 'other', lossOf: (one) => -one, score: async () => 31.456, fit }];
      },
    });
    const host = fakeHost(cwd, { engine: { ...engine, openPipeline } });
    await runCli(['score', 'image.png', 'a red cat', '--scorer', 'clip_c,clip=other'], host);
    expect(host.written.stdout).toBe('clip_c  31.46\nother   31.4560\n');
    expect(asked).toMatchObject([
      { scorer: { kind: 'clip', part: 'clip_c' } },
      { scorer: { kind: 'clip', folder: 'other' }, name: 'other' },
    ]);
    expect(host.written.stderr).toMatch(/the prompt is too long for clip_c: .*\n.* clip_c lacks .*: red\n/);
  });

  it('says where a vocabulary would come from', async () => {
    const { stderr } = await sgool('score', 'image.png', 'a cat', '--scorer', 'hps-v2');
    expect(stderr).toMatch(
      /CLIP's vocabulary is not here; give .* with --tokenizer, or fetch it with: sgool/,
    );
  });
});

describe('sgool models add of a preference model', () => {
  it('refuses a network of another size by its first tensor that does not fit', async () => {
    const { code, stderr } = await sgool('models', 'add', 'hps', `${PREFERENCE}hpc.pth`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/hpc\.pth: not the weights of HPS v1 \(CLIP ViT-L\/14\): the weight /);
    expect(findAdded('hps-v1', env)).toBeUndefined();
    const reward = await sgool('models', 'add', 'image-reward', `${PREFERENCE}image-reward`);
    expect(reward.stderr).toMatch(/not the weights of ImageReward v1\.0/);
  });
});

describe('sgool score of several', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'sgool-scores-'));
    await mkdir(path.join(dir, 'folder'));
    for (const name of ['a.png', 'b, "c".png'])
      await writeFile(path.join(dir, 'folder', name), encodePng(discImage(0)));
    await writeFile(path.join(dir, 'folder', 'notes.txt'), 'no image');
    await writeFile(path.join(dir, 'd.ppm'), 'P3 1 1 255 9 9 9');
  });
  afterAll(() => rm(dir, { recursive: true }));

  /** The score of an image is its number of pixels, and of a prompt its length. */
  async function scored(argv: readonly string[], input = '') {
    const engine = fakeEngine();
    const openPipeline: typeof engine.openPipeline = async (...args) => ({
      ...(await engine.openPipeline(...args)),
      score: async ({ width }, target) => ({ A: width + String(target).length }),
    });
    const host = fakeHost(dir, { engine: { ...engine, openPipeline }, input });
    return { code: await runCli(['score', ...argv], host), ...host.written };
  }

  it('is a table of the images in a folder and others, the highest score first', async () => {
    const { code, stdout } = await scored(['d.ppm', 'folder', 'a cat']);
    expect(code).toBe(0);
    expect(stdout).toBe('clip_a  image\n37.00   folder/a.png\n37.00   folder/b, "c".png\n6.00    d.ppm\n');
    const sorted = await scored(['d.ppm', 'folder', 'a cat', '--sort', 'image', '--format', 'jsonl']);
    const lines = sorted.stdout.trim().split('\n');
    expect(lines.map((line) => path.basename(JSON.parse(line).image))).toEqual([
      'd.ppm',
      'a.png',
      'b, "c".png',
    ]);
  });

  it('is every image with every prompt, as CSV', async () => {
    const argv = ['folder', '--prompts', '-', '--format', 'csv'];
    const { stdout } = await scored(argv, 'a\n"long", one\n');
    const file = (name: string) => path.join(dir, 'folder', name);
    const [a, b] = [file('a.png'), `"${file('b, ""c"".png')}"`];
    const long = '"""long"", one"';
    expect(stdout.split('\r\n')).toEqual([
      'image,prompt,clip_a',
      ...[`${a},${long},43`, `${b},${long},43`, `${a},a,33`, `${b},a,33`],
      '',
    ]);
  });

  it('goes to a file in the format of its name, or in one object', async () => {
    const { stdout } = await scored(['folder', 'a', '--out', 'scores.jsonl']);
    expect(stdout).toBe('scores.jsonl\n');
    const lines = (await readFile(path.join(dir, 'scores.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { prompt: 'a', clip_a: 33 },
      { clip_a: 33 },
    ]);
    const whole = JSON.parse((await scored(['folder', 'a', '--json'])).stdout);
    expect(whole).toMatchObject({ model: 'toybox', results: [{ clip_a: 33 }, { clip_a: 33 }] });
  });

  it('scores a clip frame by frame: the mean, the lowest, and all of them', async () => {
    const frames = [0, 1, 2].map((level) => createImage(8, 8, [level, 0, 0]));
    await writeFile(path.join(dir, 'clip.png'), encodeApng({ frames, fps: 8 }));
    const levels = async (argv: readonly string[]) => {
      const engine = fakeEngine();
      const openPipeline: typeof engine.openPipeline = async (...args) => ({
        ...(await engine.openPipeline(...args)),
        score: async ({ data }) => ({ A: 10 + data[0], B: 20 - data[0] }),
      });
      const host = fakeHost(dir, { engine: { ...engine, openPipeline } });
      return { code: await runCli(['score', ...argv], host), ...host.written };
    };
    const { stdout } = await levels(['clip.png', 'a cat']);
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['score', 'mean', 'least', 'frame 1', 'frame 2', 'frame 3'],
      ['CLIP A', '11.00', '10.00', '10.00', '11.00', '12.00'],
      ['CLIP B', '19.00', '18.00', '20.00', '19.00', '18.00'],
      [''],
    ]);
    expect(JSON.parse((await levels(['clip.png', 'a cat', '--json'])).stdout)).toMatchObject({
      clip: { A: 11, B: 19 },
      least: { clip: { A: 10, B: 18 } },
      frames: { clip_a: [10, 11, 12], clip_b: [20, 19, 18] },
    });
    const { stdout: csv } = await levels([
      'clip.png',
      'd.ppm',
      'a cat',
      '--format',
      'csv',
      '--sort',
      'clip_a:least',
    ]);
    expect(csv.split('\r\n').map((line) => line.split(',').slice(2))).toEqual([
      ['clip_a', 'clip_a:least', 'clip_b', 'clip_b:least'],
      ['11', '10', '19', '18'],
      ['19', '', '11', ''],
      [],
    ]);
    const { stdout: lines } = await levels(['clip.png', 'd.ppm', 'a cat', '--format', 'jsonl']);
    expect(
      lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).frames?.clip_a),
    ).toEqual([undefined, [10, 11, 12]]);
  });

  it('says in one line what an MP4 needs', async () => {
    await writeFile(path.join(dir, 'clip.mp4'), Buffer.from('\0\0\0\x20ftypmp42 and more'));
    vi.stubEnv('PATH', dir);
    const { code, stderr } = await scored(['clip.mp4', 'a cat']);
    vi.unstubAllEnvs();
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(stderr).toMatch(
      /cannot read .*clip\.mp4: an MP4 video, which ffmpeg on the path would read; install it, or give the clip as WebP, animated PNG or GIF\n$/,
    );
  });

  it('names an image that cannot be read, and scores the others', async () => {
    const { code, stdout, stderr } = await scored(['folder', 'folder/notes.txt', 'a']);
    expect([code, stdout.trim().split('\n').length]).toEqual([1, 3]);
    expect(stderr).toMatch(/cannot read .*notes\.txt.*\nsgool: 1 of 3 images could not be scored\n$/);
  });

  it.each<[string[], RegExp]>([
    [['folder', 'a', '--format', 'xml'], /--format: not usable, got xml; choose one of table, csv, jsonl/],
    [
      ['folder', 'a', '--sort', 'clip'],
      /--sort: not usable, got clip; choose one of clip_a, clip_b, clip_a:least, clip_b:least, image/,
    ],
    [['folder', 'a', '--out', 'scores.xls'], /--out: scores\.xls does not say its format/],
    [['folder', 'a', '--out', 'folder'], /--out: .*folder is a folder/],
    [['folder', 'd.ppm', 'a', '--out', 'd.ppm'], /--out: .*d\.ppm is the input/],
    [['folder'], /missing required argument 'prompt'/],
  ])('refuses %j', async (argv, message) => {
    const { code, stderr } = await scored(argv);
    expect(code).toBe(2);
    expect(stderr.trim()).toMatch(message);
  });
});
