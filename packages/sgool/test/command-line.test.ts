/** @file `sgool` as users start it, in a process of its own, on the networks that it comes with. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deviceState } from '@sgool/autodiff';
import { generate, readImage, readPngText } from 'sgool';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runSgool } from './run-sgool.ts';
import { copyOfToybox, describeOnToybox, poison, temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 300_000 });

const PROMPT = 'a red cat and a blue boat';
const FEW_STEPS = ['--seed', '5', '--steps', '3', '--sampler', 'ddim', '--saliency', 'spectral-residual'];
const FILES = ['before.png', 'image.png', 'progress.png', 'run.json', 'saliency.png'];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

const inFolder = (...names: string[]) => path.join(folder.dir, ...names);
const sgool = (words: string[], options?: { interruptAt?: string }) => runSgool(folder.dir, words, options);
const savedRun = async (out: string) => JSON.parse(await readFile(inFolder(out, 'run.json'), 'utf8'));

describeOnToybox('sgool generate', () => {
  it('prints one JSON object and makes what the library makes', async () => {
    const words = ['generate', PROMPT, ...FEW_STEPS, '--iterations', '2', '--out', 'done', '--json'];
    const { code, stdout, lines } = await sgool(words);
    expect(code).toBe(0);
    expect(stdout.indexOf('\n')).toBe(stdout.length - 1);
    const result = JSON.parse(stdout);
    const score = { A: expect.any(Number), B: expect.any(Number) };
    expect(result).toMatchObject({
      method: 'sgool',
      model: 'toybox',
      seed: 5,
      prompt: PROMPT,
      truncated: false,
      clip: { before: score, after: score },
      loss: Array.from({ length: 3 }, () => ({ total: expect.any(Number), whole: expect.any(Number) })),
      evaluations: { forward: 18, pullback: 12 },
      seconds: expect.any(Number),
      peakMemoryBytes: expect.any(Number),
      paths: { image: inFolder('done', 'image.png'), run: inFolder('done', 'run.json') },
    });
    expect(result.peakMemoryBytes).toBeGreaterThan(50e6);
    expect(lines.slice(0, 3).map((line) => JSON.parse(line).iteration)).toEqual([0, 1, 2]);

    expect((await readdir(inFolder('done'))).sort()).toEqual(FILES);
    expect(await savedRun('done')).toMatchObject({ status: 'done', seed: 5, clip: result.clip });
    const { before, best } = await generate({
      prompt: PROMPT,
      seed: 5,
      steps: 3,
      iterations: 2,
      sampler: 'ddim',
      saliency: 'spectral-residual',
    });
    for (const [name, { image }] of Object.entries({ before, image: best })) {
      const saved = await readImage(inFolder('done', `${name}.png`));
      expect(Buffer.compare(saved.data, image.data), name).toBe(0);
    }
    const text = readPngText(await readFile(inFolder('done', 'image.png')));
    expect(text.parameters).toContain(PROMPT);
  });

  it('keeps the best so far when Ctrl-C stops it after the second iteration', async () => {
    const words = ['generate', PROMPT, ...FEW_STEPS, '--iterations', '5000', '--out', 'stopped', '--json'];
    const { code, stdout, lines } = await sgool(words, { interruptAt: '{"iteration":2,' });
    expect(code).toBe(130);
    expect(lines.at(-1)).toMatch(
      /^sgool: stopped; the best image so far \(iteration \d+\) is in stopped; to go on: sgool resume stopped$/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ status: 'stopped' });
    expect((await readdir(inFolder('stopped'))).sort()).toEqual([...FILES, 'state']);
    const { status, loss, bestIteration } = await savedRun('stopped');
    expect(status).toBe('stopped');
    expect(loss.length).toBeGreaterThanOrEqual(3);
    expect(bestIteration).toBeLessThan(loss.length);
    expect(await readImage(inFolder('stopped', 'image.png'))).toMatchObject({ width: 128, height: 128 });
  });

  it('cuts off a prompt that is too long, and says so', async () => {
    const long = 'a red cat and a blue boat '.repeat(20);
    const few = ['--seed', '5', '--steps', '3', '--sampler', 'ddim'];
    const words = ['generate', long, '--method', 'sd', ...few, '--out', 'long', '--json'];
    const { code, stdout, lines } = await sgool([...words, '--prompt-syntax', 'plain']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).truncated).toBe(true);
    expect(lines[0]).toMatch(/^sgool: warning: the prompt is too long for toybox: .* are left out$/);
  });

  it('reads a prompt of any length, with weights', async () => {
    const long = 'a (red:1.3) cat and a blue boat '.repeat(20);
    const few = ['--seed', '5', '--steps', '3', '--sampler', 'ddim'];
    const words = ['generate', long, '--method', 'sd', ...few, '--out', 'weighted', '--json'];
    const { code, stdout, lines } = await sgool([...words, '--negative', 'dim <lora:x:1>']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).truncated).toBe(false);
    expect(lines.slice(0, 4)).toEqual([
      'sgool: warning: the prompt has 140 tokens: the image is made from all of them, in 5 chunks',
      'sgool: warning: brackets in the prompt are weights, as (red:1.3); see them with: sgool prompt; for brackets as text: --prompt-syntax plain',
      'sgool: warning: the vocabulary of toybox lacks words of the negative prompt, which mean nothing to it: dim',
      'sgool: warning: <lora:x:1> in the negative prompt is not supported; it was left out',
    ]);
  });

  describe('with a model that is broken', () => {
    let copy: Awaited<ReturnType<typeof copyOfToybox>>;
    beforeAll(async () => {
      copy = await copyOfToybox();
    });
    afterAll(() => copy?.remove());

    const onCopy = (out: string) =>
      sgool(['generate', PROMPT, ...FEW_STEPS, '--model', copy.dir, '--out', out, '--json']);

    it('keeps the plain image when the loss is not a number', async () => {
      await poison(path.join(copy.dir, 'clip', 'model.safetensors'), 'visual_projection.weight');
      const { code, stdout, lines } = await onCopy('poisoned');
      expect(code).toBe(1);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'failed', bestIteration: 0 });
      expect(lines.at(-1)).toMatch(
        /^sgool: sgool: stopped in iteration 0: clip image: its output embedding holds NaN.*is in poisoned/,
      );
      expect((await readdir(inFolder('poisoned'))).sort()).toEqual(FILES);
    });

    it('names the file that was cut off, and leaves no folder', async () => {
      const weights = path.join(copy.dir, 'unet', 'diffusion_pytorch_model.safetensors');
      await truncate(weights, 1_000_000);
      const { code, stdout, lines } = await onCopy('cut');
      expect([code, stdout, lines.length]).toEqual([1, '', 1]);
      expect(lines[0]).toMatch(/^sgool: .*diffusion_pytorch_model\.safetensors/);
      expect(await readdir(folder.dir)).not.toContain('cut');
    });
  });
});

const hasCuda = (await deviceState('cuda')).works;
const withoutCuda: [string, string[], number, RegExp] = [
  'device without a driver',
  ['generate', PROMPT, '--device', 'cuda'],
  1,
  /device cuda: does not work on this machine, .*; usable here: .*cpu \(sgool devices lists what works\)$/,
];

describe('a mistake ends in one line', () => {
  beforeAll(() => writeFile(inFolder('notes.txt'), 'no image'));

  it.each<[string, string[], number, RegExp]>([
    ['empty prompt', ['generate', ' '], 2, /prompt: must not be empty/],
    ['unknown method', ['generate', PROMPT, '--method', 'magic'], 2, /magic.*sd, clip-guided, doodl, sgool/],
    [
      'option of another method',
      ['generate', PROMPT, '--method', 'sd', '--lambda', '2'],
      2,
      /^sgool: --lambda: method sd has no such option; sgool has it$/,
    ],
    ['unknown model', ['generate', PROMPT, '--model', 'toybux'], 1, /toybux.*toybox/],
    ['folder in a file', ['generate', PROMPT, '--out', 'notes.txt/run'], 1, /cannot write .*notes\.txt/],
    ['unreadable image', ['score', 'notes.txt', PROMPT], 1, /notes\.txt/],
    ['missing image', ['saliency', 'nothing.png'], 1, /nothing\.png/],
    ...(hasCuda ? [] : [withoutCuda]),
  ])('%s', async (_, words, exitCode, message) => {
    const before = await readdir(folder.dir);
    const { code, stdout, lines } = await sgool(words);
    expect([code, stdout, lines.length]).toEqual([exitCode, '', 1]);
    expect(lines[0]).toMatch(/^sgool: /);
    expect(lines[0]).toMatch(message);
    expect(await readdir(folder.dir)).toEqual(before);
  });
});
