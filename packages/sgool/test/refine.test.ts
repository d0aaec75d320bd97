/** @file What `sgool refine` promises, on the networks that sgool comes with and images that no network made. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  createImage,
  encodePng,
  generate,
  loadPipeline,
  type Pipeline,
  readImage,
  refine,
  resizeImage,
} from 'sgool';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { psnr } from './psnr.ts';
import { runSgool } from './run-sgool.ts';
import { describeOnToybox, temporaryFolder } from './toybox-model.ts';

// Some ten seconds on two idle cores in all; machines that train or build at the same time take far longer.
vi.setConfig({ testTimeout: 300_000 });

const SIDE = 128;
const PROMPT = 'a blue cat and a green cup';
const SOURCE = 'a red cat and a green cup';
/** A red cat beside a green cup, drawn by the world that Toybox was trained on. */
const image = await readImage(path.join(import.meta.dirname, 'red-cat-green-cup.png'));
/** White over the cat. */
const mask = createImage(
  SIDE,
  SIDE,
  Uint8Array.from({ length: image.data.length }, (_, i) => (Math.floor(i / 3) % SIDE < 66 ? 255 : 0)),
);

const few = { prompt: PROMPT, seed: 3, steps: 5, iterations: 3, saliency: 'spectral-residual' } as const;

describeOnToybox('refine', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await loadPipeline('toybox');
  });
  afterAll(() => pipeline?.dispose());

  it.each([1, 5])('gives the image back without iterations, with guidance %i', async (guidanceScale) => {
    const { before } = await refine(
      { image, prompt: PROMPT, guidanceScale, iterations: 0, saliency: 'centre' },
      { pipeline },
    );
    const roundTrip = await pipeline.decode(await pipeline.encode(image), image);
    expect(psnr(before.image, roundTrip)).toBeGreaterThan(60);
  });

  it('matches the prompt better than the image did, and stays closer to it than a fresh one', async () => {
    const { before, best } = await refine({ ...few, image }, { pipeline });
    expect(best.clip.A).toBeGreaterThan((before.clip.A ?? Number.NaN) + 1);
    const { iterations, saliency, ...plain } = few;
    const { best: fresh } = await generate({ ...plain, method: 'sd' }, { pipeline });
    expect(psnr(best.image, image)).toBeGreaterThan(psnr(fresh.image, image) + 3);
  });

  it('leaves every byte outside of the mask as it was, and changes what is inside', async () => {
    const { last, input } = await refine(
      { ...few, image, mask, sourcePrompt: SOURCE, iterations: 1 },
      { pipeline },
    );
    expect(input).toEqual(image);
    const changed = { inside: 0, outside: 0 };
    last.image.data.forEach((value, i) => {
      if (value !== image.data[i]) changed[mask.data[i] ? 'inside' : 'outside']++;
    });
    expect(changed.outside).toBe(0);
    expect(changed.inside).toBeGreaterThan(1000);
  });
});

describeOnToybox('sgool refine', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(inFolder('cat.png'), encodePng(resizeImage(image, 300, 300)));
    await writeFile(inFolder('mask.png'), encodePng(mask));
  });
  afterAll(() => folder?.remove());

  const inFolder = (...names: string[]) => path.join(folder.dir, ...names);
  const words = (...more: string[]) => [
    ...['refine', 'cat.png', PROMPT, '--steps', '3', '--saliency', 'spectral-residual', '--json'],
    ...more,
  ];

  it('makes the image and its folder', async () => {
    const made = words('--mask', 'mask.png', '--from', SOURCE, '--iterations', '1', '--out', 'done');
    const { code, stdout, lines } = await runSgool(folder.dir, made);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'done', image: inFolder('cat.png'), method: 'sgool' });
    expect(lines).toContainEqual(expect.stringMatching(/300 x 300, scaled to 128 x 128$/));
    const saved = await readImage(inFolder('done', 'image.png'));
    const input = await readImage(inFolder('done', 'input.png'));
    const protectedBytes = (_: number, i: number) => mask.data[i] === 0;
    expect(Buffer.compare(saved.data.filter(protectedBytes), input.data.filter(protectedBytes))).toBe(0);
    expect(Buffer.compare(saved.data, input.data)).not.toBe(0);
  });

  it('keeps the best so far when Ctrl-C stops it', async () => {
    const { code, stdout, lines } = await runSgool(
      folder.dir,
      words('--iterations', '5000', '--out', 'stopped'),
      { interruptAt: '{"iteration":1,' },
    );
    expect(code).toBe(130);
    expect(lines.at(-1)).toMatch(/^sgool: stopped; the best image so far \(iteration \d+\) is in stopped/);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'stopped' });
    expect(await readdir(inFolder('stopped'))).toEqual(expect.arrayContaining(['image.png', 'input.png']));
    expect(JSON.parse(await readFile(inFolder('stopped', 'run.json'), 'utf8')).status).toBe('stopped');
  });

  it('ends in one line without leaving a folder when the image is none', async () => {
    await writeFile(inFolder('notes.txt'), 'no image');
    const { code, stdout, lines } = await runSgool(folder.dir, [
      'refine',
      'notes.txt',
      PROMPT,
      '--out',
      'none',
    ]);
    expect([code, stdout, lines]).toEqual([1, '', [expect.stringMatching(/notes\.txt: not an image/)]]);
    expect(await readdir(folder.dir)).not.toContain('none');
  });
});
