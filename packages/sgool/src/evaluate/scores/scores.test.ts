/** Scorers of evaluations against PyTorch: fixtures/make/scorers.py and fixtures/make/ops_onnx.py. */
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Crop, middleCrop } from '../../image/crops.ts';
import type { Image } from '../../image/image.ts';
import { judgeFile } from '../../networks/judge/open-judge.ts';
import { dot } from '../../numbers.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import type { ClipCritic } from '../../preference/clip-critic.ts';
import { PREFERENCE, TOKENIZER } from '../../preference/testing.ts';
import { SCORER_NAMES } from '../../request/scorer-names.ts';
import { fittedIds } from '../../text/fitted-ids.ts';
import { loadTokenizer, openTokenizer } from '../../text/load-tokenizer.ts';
import { openAestheticHead } from './aesthetic-head.ts';
import { aestheticScorer } from './aesthetic-scorer.ts';
import { clipScorer } from './clip-scorer.ts';
import type { ScoredImage } from './image-scorer.ts';
import { judgeScorer } from './judge-scorer.ts';
import { onnxScorer } from './onnx-scorer.ts';
import { openScorers, scorerText, wantedScorers } from './open-scorers.ts';
import { preferenceScorer } from './preference-scorer.ts';
import { bytesSha256, filesSha256, modelSha256 } from './weights-hash.ts';

const DATA = fileURLToPath(new URL('../../../../../fixtures/data/', import.meta.url));
const SCORERS = `${DATA}scorers/`;
const wanted = JSON.parse(readFileSync(`${SCORERS}expected.json`, 'utf8')) as {
  features: number[];
  linear: number;
  mlp: number;
  levels: number[];
  image: number;
  words: number[];
  last: number;
};
const image = { width: 8, height: 8, data: Uint8Array.from(wanted.levels) };
const scored = (text = 'a red cat'): ScoredImage => ({ image, prompt: { text }, regions: [] });

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-scores-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** An ONNX scorer with a description of its own, in a folder of its own. */
async function onnx(file: string, description: unknown, name = 'mine') {
  const dir = await mkdtemp(join(folder, 'onnx-'));
  const path = join(dir, `${name}.onnx`);
  await cp(file, path);
  const text = typeof description === 'string' ? description : JSON.stringify(description);
  if (description !== undefined) await writeFile(join(dir, `${name}.json`), text);
  await cp(`${DATA}text`, join(dir, 'words'), { recursive: true });
  return onnxScorer(path, { threads: 1 });
}
const COMMON = { scale: 'made up', higherIsBetter: true, averaged: false };
const PAIR = {
  ...COMMON,
  image: { input: 'pixels', size: 8, range: [-1, 1], mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] },
  text: { input: 'input_ids', tokenizer: 'words', length: 6, mask: 'attention_mask' },
  index: 1,
};

describe('an ONNX scorer', () => {
  it.each(['convolutional', 'transformer', 'photometric'])(
    '%s: runs as both exporters wrote it, also where its batch is fixed to two',
    async (name) => {
      const description = { ...COMMON, image: { input: 'image', size: 16, resize: 'squash' }, index: 0 };
      const values: number[] = [];
      for (const exporter of ['script', 'export']) {
        const scorer = await onnx(`${DATA}ops-scorer-${name}-${exporter}.onnx`, description);
        values.push((await scorer.score(scored())).mine ?? Number.NaN);
        await scorer.dispose();
      }
      expect(values[0]).toBeCloseTo(values[1], 4);
      expect(Number.isFinite(values[0])).toBe(true);
    },
  );

  it('gives what PyTorch gives: pixels by range, mean and std, token ids and their mask, the number of that index', async () => {
    const scorer = await onnx(`${SCORERS}pair.onnx`, PAIR);
    const tokenizer = await loadTokenizer(`${DATA}text`);
    const { ids, length } = fittedIds(tokenizer, 'a red cat', 6);
    const words = wanted.words.reduce((sum, word, i) => sum + (i < length ? word * ids[i] : 0), 0);
    expect((await scorer.score(scored())).mine).toBeCloseTo(wanted.image + words, 3);
    await scorer.dispose();
  });

  it.each([
    ['bert', 'vocab.txt', () => readFileSync(`${DATA}preference/vocab.txt`)],
    ['t5', 'spiece.model', () => gunzipSync(readFileSync(`${DATA}text/t5/spiece.model.gz`))],
  ])('reads prompts as a %s does', async (kind, file, read) => {
    const place = join(folder, kind);
    await mkdir(place);
    await writeFile(join(place, file), read());
    const scorer = await onnx(`${SCORERS}pair.onnx`, { ...PAIR, text: { ...PAIR.text, tokenizer: place } });
    const { tokenizer } = await openTokenizer(place);
    const { ids, length } = tokenizer.encode('a red cat', 6);
    const words = wanted.words.reduce((sum, word, i) => sum + (i < length ? word * ids[i] : 0), 0);
    expect((await scorer.score(scored())).mine).toBeCloseTo(wanted.image + words, 1);
    expect(scorer.fits('a red cat')).toMatchObject({ mine: { truncated: false } });
    expect(scorer.fits('a '.repeat(6))).toMatchObject({
      mine: { truncated: true, lost: kind === 'bert' ? 2 : 1 },
    });
    await scorer.dispose();
  });

  it('reads images whose channels come last', async () => {
    const scorer = await onnx(`${SCORERS}last.onnx`, {
      ...COMMON,
      image: { input: 'pixels', size: 8, layout: 'NHWC' },
    });
    expect((await scorer.score(scored())).mine).toBeCloseTo(wanted.last, 4);
    await scorer.dispose();
  });

  it.each(['crop', 'pad', 'squash'])('%s: an image of another shape becomes square', async (resize) => {
    const scorer = await onnx(`${SCORERS}last.onnx`, {
      ...COMMON,
      image: { input: 'pixels', size: 8, layout: 'NHWC', resize },
    });
    const wide = {
      width: 32,
      height: 16,
      data: Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => (i * 7) % 256),
    };
    const value = (await scorer.score({ ...scored(), image: wide })).mine;
    RESULTS.add(Number(value).toFixed(3));
    await scorer.dispose();
  });
  const RESULTS = new Set<string>();
  it('each rule gives another score', () => expect(RESULTS.size).toBe(3));

  it('says which prompts it reads only a part of', async () => {
    const scorer = await onnx(`${SCORERS}pair.onnx`, PAIR);
    expect(scorer.fits('a cat')).toMatchObject({ mine: { truncated: false, kept: 2 } });
    expect(scorer.fits('a cat and a dog and a bird')).toMatchObject({ mine: { truncated: true } });
    await scorer.dispose();
  });

  it('is named by its file, and carries the hash of its weights and how images are prepared', async () => {
    const scorer = await onnx(`${SCORERS}pair.onnx`, { ...PAIR, title: 'My score', digits: 2 }, 'my-score');
    expect(scorer.infos).toEqual([
      {
        name: 'my-score',
        title: 'My score',
        scale: 'made up',
        digits: 2,
        higherIsBetter: true,
        isAveraged: false,
        tie: 0.01,
        weights: bytesSha256(readFileSync(`${SCORERS}pair.onnx`)),
        preprocessing:
          'crop to 8 x 8, bicubic, -1 to 1, mean 0.1 0.2 0.3, std 0.5 0.6 0.7, NCHW; 6 token ids',
      },
    ]);
  });

  const pair = `${SCORERS}pair.onnx`;
  const last = `${SCORERS}last.onnx`;
  const LAST = { ...COMMON, image: { input: 'pixels', size: 8, layout: 'NHWC' } };
  it.each([
    [
      'no description',
      last,
      undefined,
      /mine\.json: there is no such file; it describes the network, for instance \{"image"/,
    ],
    ['no JSON', last, '{', /mine\.json: not valid JSON/],
    ['no object', last, [], /the whole: /],
    ['no image', last, COMMON, /image: /],
    ['no scale', last, { ...LAST, scale: undefined }, /scale: /],
    ['no direction', last, { ...LAST, higherIsBetter: undefined }, /higherIsBetter: /],
    ['an unknown key', last, { ...LAST, batch: 2 }, /Unrecognized key: "batch"/],
    [
      'an unknown key of the image',
      last,
      { ...LAST, image: { ...LAST.image, crop: true } },
      /image: Unrecognized key: "crop"/,
    ],
    ['an unknown layout', last, { ...LAST, image: { ...LAST.image, layout: 'CHW' } }, /image\.layout: /],
    ['a side of 0', last, { ...LAST, image: { ...LAST.image, size: 0 } }, /image\.size: /],
    [
      'a std of 0',
      last,
      { ...LAST, image: { ...LAST.image, std: [0, 1, 1] } },
      /image\.std: must be above 0/,
    ],
    [
      'one value for black and white',
      last,
      { ...LAST, image: { ...LAST.image, range: [1, 1] } },
      /image\.range: black and white must differ/,
    ],
    [
      'another input',
      last,
      { ...LAST, image: { ...LAST.image, input: 'x' } },
      /the description has the input x; the model has pixels/,
    ],
    [
      'another size',
      last,
      { ...LAST, image: { ...LAST.image, size: 9 } },
      /input pixels is \[1,8,8,3\] in the model, and \[1,9,9,3\] by the description/,
    ],
    ['another output', last, { ...LAST, output: 'y' }, /output: the model has score, got y/],
    ['an input that is not described', pair, { ...PAIR, text: undefined }, /pair|input/],
    ['a tokenizer that is not there', pair, { ...PAIR, text: { ...PAIR.text, tokenizer: 'none' } }, /none/],
    ['a file that is no model', `${DATA}text/vocab.json`, LAST, /mine\.onnx: /],
  ])('%s is named in one line', async (_, file, description, message) => {
    const error = await onnx(file, description).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
    expect((error as Error).message).not.toContain('\n');
  });

  it('an index that the output does not have is named', async () => {
    const scorer = await onnx(last, { ...LAST, index: 3 });
    await expect(scorer.score(scored())).rejects.toThrow(
      /index: the output score has 1 numbers of an image, got 3/,
    );
    await scorer.dispose();
  });
});

/** Whether it is the whole image, or of an image that is not square what the aesthetic head was trained on. */
const isWhole = (image: Image, crop: Crop | undefined) =>
  crop === undefined || isDeepStrictEqual(crop, middleCrop({ ...image, side: 224 }));

/** A CLIP whose features of every image are those of the fixture. */
const critic = (name: string, features: readonly number[] = wanted.features): ClipCritic => ({
  name,
  config: { projection_dim: features.length } as ClipCritic['config'],
  weights: {} as ClipCritic['weights'],
  bytes: 0,
  files: [`${SCORERS}${name === 'clip' ? 'pair' : 'last'}.onnx`],
  side: 224,
  fit: () => ({ truncated: false, kept: 1, lost: 0, unknown: [] }),
  embedText: async (text) => Float32Array.of(text.startsWith('A photo depicts ') ? 0.25 : 0.5, 0),
  embedImage: async (image, crop) => Float32Array.from(isWhole(image, crop) ? features : [-0.8, 0.6]),
  score: async (given, text) =>
    100 * dot(await critic(name, features).embedImage(given), await critic(name, features).embedText(text)),
});
const pipelineOf = (a: ClipCritic | undefined, b: ClipCritic | undefined, side = 128) =>
  ({
    model: { name: 'm', width: side, height: side, has: { clip: a !== undefined, clipB: b !== undefined } },
    critic: async () => a,
    reporter: async () => b,
  }) as unknown as Pipeline;

describe('the aesthetic heads', () => {
  it.each(['linear', 'mlp'] as const)('%s: the score of PyTorch', async (name) => {
    const head = await openAestheticHead(`${SCORERS}aesthetic-${name}.pth`);
    expect(head.inputs).toBe(16);
    expect(head.score(Float32Array.from(wanted.features))).toBeCloseTo(wanted[name], 5);
  });

  it('read the features of the CLIP that only reports, if it has as many', async () => {
    const short = critic('clip_b', [1, 0]);
    const path = `${SCORERS}aesthetic-mlp.pth`;
    const both = await aestheticScorer(path, pipelineOf(critic('clip'), critic('clip_b')));
    expect(both.infos[0].preprocessing).toContain('features of clip_b');
    expect((await both.score(scored())).aesthetic).toBeCloseTo(wanted.mlp, 5);
    const one = await aestheticScorer(path, pipelineOf(critic('clip'), short));
    expect(one.infos[0].preprocessing).toContain('features of clip ');
    expect(one.infos[0].weights).toBe(bytesSha256(readFileSync(path)));
    await expect(aestheticScorer(path, pipelineOf(undefined, short))).rejects.toThrow(
      "scorer aesthetic: the head reads 16 features of a CLIP, and this model's clip_b gives 2; give a CLIP ViT-L/14 with --clip",
    );
  });

  it('a file that is no head is named', async () => {
    await expect(openAestheticHead(`${PREFERENCE}image-reward/ImageReward.pt`)).rejects.toThrow(
      /scorer aesthetic|ImageReward/,
    );
    await expect(openAestheticHead(join(folder, 'none.pth'))).rejects.toThrow(/none\.pth/);
  });
});

describe('CLIP scores', () => {
  const region = { left: 0, top: 0, width: 4, height: 4, mass: 1 };
  it('in the three public conventions, of the whole image and of its regions', async () => {
    const scorer = await clipScorer(pipelineOf(critic('clip', [0.8, 0.6]), undefined));
    const values = await scorer.score({ ...scored(), regions: [region] });
    expect(values.clip_a).toBeCloseTo(40, 4);
    expect(values['clip_a:cosine']).toBeCloseTo(0.4, 6);
    expect(values['clip_a:clipscore']).toBeCloseTo(2.5 * 0.2, 6);
    // A negative cosine counts as 0.
    expect(values['clip_a@regions']).toBe(0);
    expect((await scorer.score(scored()))['clip_a@regions']).toBeNull();
    expect(scorer.infos.map(({ name }) => name).toSorted()).toEqual(Object.keys(values).toSorted());
  });

  it('are not below 0, where the convention says so, and carry the hash of the weights', async () => {
    const scorer = await clipScorer(pipelineOf(critic('clip', [-0.8, 0.6]), critic('clip_b', [1, 0])));
    const values = await scorer.score(scored());
    expect(values).toMatchObject({ clip_a: 0, 'clip_a:clipscore': 0, clip_b: 50 });
    expect(values['clip_a:cosine']).toBeCloseTo(-0.4, 6);
    const hashes = new Map(scorer.infos.map(({ name, weights }) => [name, weights]));
    expect(hashes.get('clip_a')).toBe(bytesSha256(readFileSync(`${SCORERS}pair.onnx`)));
    expect(hashes.get('clip_b@regions')).toBe(bytesSha256(readFileSync(`${SCORERS}last.onnx`)));
  });
});

describe('preference models', () => {
  it.each([
    ['hps-v2', 'HPS_v2_compressed.pt', 'HPS_v2_compressed.pt'],
    ['image-reward', 'image-reward', 'image-reward/ImageReward.pt'],
  ] as const)('%s carries the hash of the file that was opened', async (name, place, file) => {
    const scorer = await preferenceScorer(name, {
      weights: `${PREFERENCE}${place}`,
      threads: 1,
      ...(name === 'hps-v2' ? { tokenizer: TOKENIZER } : {}),
    });
    expect(scorer.infos[0].weights).toBe(bytesSha256(readFileSync(`${PREFERENCE}${file}`)));
    await scorer.dispose();
  });
});

describe('hashes', () => {
  it('of a model are those of its files and their names, wherever it lies', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    for (const dir of [a, b]) await cp(`${DATA}text`, dir, { recursive: true });
    expect(await modelSha256(a)).toBe(await modelSha256(b));
    await writeFile(join(b, 'vocab.json'), '{}');
    expect(await modelSha256(a)).not.toBe(await modelSha256(b));
    expect(await modelSha256(join(b, 'vocab.json'))).toBe(bytesSha256(Buffer.from('{}')));
  });

  it('of several files do not depend on the order in which they are named', async () => {
    const files = ['vocab.json', 'merges.txt'].map((name) => `${DATA}text/${name}`);
    expect(await filesSha256(files)).toBe(await filesSha256(files.toReversed()));
    expect(await filesSha256([files[0]])).toBe(bytesSha256(readFileSync(files[0])));
  });
});

describe('scorers by their names', () => {
  it('are read as they are written, and written as they are read', () => {
    const text = `clip,judge,${SCORER_NAMES.join(',')},aesthetic=head.pth,onnx:a=b.onnx,hps-v2=weights.pt`;
    const all = wantedScorers(text);
    expect(all.map(scorerText).join(',')).toBe(text);
    expect(all.at(-2)).toEqual({ kind: 'onnx', weights: 'a=b.onnx' });
  });

  it.each([
    '',
    'nope',
    'onnx',
    'onnx:',
    'clip:x',
    'aesthetic',
    'aesthetic=',
    'judge=x',
    'hps-v2=',
    'pickscore:0.2',
  ])('%j is none, and all are named', (text) => {
    expect(() => wantedScorers(text)).toThrow(
      /^--scorer: not usable, got .+; choose from clip, judge, hps-v1, .*, aesthetic=<file>, onnx:<file>$/,
    );
  });

  it('the judge scores images of its size only, of prompts whose truth is known', async () => {
    const pipeline = pipelineOf(undefined, critic('clip_b'), 512);
    const { notes, scorers, dispose } = await openScorers([], pipeline, 'judge');
    expect(notes).toEqual([
      "the judge does not score: it sees images of 128 x 128 pixels of Toybox's world, and those of m are 512 x 512",
    ]);
    expect(scorers.flatMap(({ infos }) => infos.map(({ name }) => name))).not.toContain('judge');
    await dispose();
    await expect(openScorers([{ kind: 'judge' }], pipeline, 'judge-counts')).rejects.toThrow(
      '--scorer judge: it sees images of 128',
    );
    await expect(
      openScorers([{ kind: 'judge' }], pipelineOf(undefined, undefined), undefined),
    ).rejects.toThrow('--scorer judge: it checks clauses');
  });

  it('the judge is the one that is asked for: its weights, its title, what it says of numbers', async () => {
    const cat = { kind: 'cat', colour: 'red', confidence: 1, colours: [1, 0, 0, 0, 0, 0, 0, 0] } as const;
    const box = { x0: 0.1, y0: 0.1, x1: 0.4, y1: 0.4 };
    const asked: string[] = [];
    const scorer = await judgeScorer('judge-counts', async ({ name }) => {
      asked.push(name);
      return { detect: async () => [{ ...cat, box, covered: 0, hollow: 0 }], dispose: async () => {} };
    });
    expect(asked).toEqual(['judge-counts']);
    expect(scorer.infos.map(({ name, title }) => [name, title])).toEqual([
      ['judge', 'counting judge'],
      ['judge:correct', 'all right'],
      ['judge:thing', 'counting judge, things'],
      ['judge:colour', 'counting judge, colours'],
      ['judge:relation', 'counting judge, relations'],
      ['judge:absence', 'counting judge, absences'],
      ['judge:count', 'counting judge, counts'],
    ]);
    const weights = await fileSha256(judgeFile('judge-counts'));
    expect(new Set(scorer.infos.map((info) => info.weights))).toEqual(new Set([weights]));
    expect(weights).not.toBe(await fileSha256(judgeFile()));
    const image = { width: 128, height: 128, data: new Uint8Array(3 * 128 * 128) };
    const of = (number: number) =>
      scorer.score({
        image,
        regions: [],
        prompt: { text: 'cats', readings: [[{ claim: 'count', kind: 'cat', colour: 'red', number }]] },
      });
    expect(await of(1)).toMatchObject({
      judge: 1,
      'judge:correct': 1,
      'judge:count': 1,
      'judge:thing': null,
    });
    expect(await of(2)).toMatchObject({ judge: 0, 'judge:correct': 0, 'judge:count': 0 });
  });

  it('are given once: two scores of one name are refused', async () => {
    const dir = await mkdtemp(join(folder, 'twice-'));
    await cp(last, join(dir, 'clip_b.onnx'));
    await writeFile(
      join(dir, 'clip_b.json'),
      JSON.stringify({ ...COMMON, image: { input: 'pixels', size: 8, layout: 'NHWC' } }),
    );
    await expect(
      openScorers(
        [{ kind: 'onnx', weights: join(dir, 'clip_b.onnx') }],
        pipelineOf(undefined, critic('clip_b')),
        undefined,
      ),
    ).rejects.toThrow('--scorer: two scores are called clip_b; give each scorer once, or rename the file');
  });
  const last = `${SCORERS}last.onnx`;
});
