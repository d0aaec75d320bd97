import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createImage, loadPipeline, type MethodName, type Pipeline, readImage } from 'sgool';
import type { Judge } from 'sgool/evaluate';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ComparisonOptions, runComparison } from './comparison.ts';
import { openResults } from './results.ts';
import { contactSheet } from './sheet.ts';

const prompts = [
  { text: 'a red cat and a blue boat', things: [{ kind: 'cat', colour: 'red' }] },
  { text: 'a blue cat', things: [{ kind: 'cat', colour: 'blue' }] },
] as const;

let pipeline: Pipeline;
let judged = 0;
/** Sees a red cat in every image. */
const judge: Judge = {
  async detect() {
    judged++;
    const colours = [1, 0, 0, 0, 0, 0, 0, 0];
    const box = { x0: 0, y0: 0, x1: 1, y1: 1 };
    return [{ kind: 'cat', colour: 'red', confidence: 0.9, colours, box, covered: 0, hollow: 0 }];
  },
  dispose: async () => {},
};

beforeAll(async () => {
  pipeline = await loadPipeline('toybox');
});
afterAll(async () => {
  await pipeline.dispose();
});

let folder: string;
const folders: string[] = [];
beforeEach(async () => {
  judged = 0;
  folder = await mkdtemp(path.join(os.tmpdir(), 'toybox-evaluate-'));
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((dir) => rm(dir, { recursive: true, force: true }))));

const compare = (more: Partial<ComparisonOptions> = {}) =>
  runComparison({
    ...{
      pipeline,
      judge,
      model: 'hash',
      prompts,
      methods: ['sd', 'best-of'],
      seed: 4,
      iterations: 1,
      folder,
    },
    ...more,
  });

describe('a comparison', () => {
  it('runs every method on every prompt from the same noise, and keeps figures and images', async () => {
    const { results, settings } = await compare();
    expect([...results.keys()]).toEqual(['sd', 'best-of']);
    expect(settings.get('best-of')?.iterations).toBe(1);
    for (const list of results.values()) {
      expect(list.map(({ seed }) => seed)).toEqual([4, 5]);
      expect(list.map(({ judge }) => judge.correct)).toEqual([true, false]);
      expect(list[0].judge.score).toBeCloseTo(0.9, 6);
      for (const { image } of list) {
        expect(await readImage(path.join(folder, image))).toMatchObject({ width: 128, height: 128 });
      }
    }
    expect(judged).toBe(4);
  });

  it('that was killed resumes after the last finished prompt, with or without a half-written line', async () => {
    const stop = new AbortController();
    const killed = compare({ signal: stop.signal, onPrompt: () => stop.abort(new Error('killed')) });
    await expect(killed).rejects.toThrow('killed');
    expect(judged).toBe(2);
    await appendFile(path.join(folder, 'results.jsonl'), '{"prompt": "a blue c');
    const fresh: number[] = [];
    const { results } = await compare({ onPrompt: (_, __, count) => fresh.push(count) });
    expect(fresh).toEqual([0, 2]);
    expect(judged).toBe(4);
    expect(results.get('sd')).toHaveLength(2);
    const lines = (await readFile(path.join(folder, 'results.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).seed)).toEqual([4, 4, 5, 5]);
  });

  it('takes nothing over from other weights or settings', async () => {
    await compare({ methods: ['best-of'] });
    await compare({ methods: ['best-of'], model: 'other weights' });
    expect(judged).toBe(4);
    await compare({ methods: ['best-of'], iterations: 2 });
    expect(judged).toBe(6);
    await compare({ methods: ['best-of'] });
    expect(judged).toBe(6);
  });
});

it('a contact sheet has a group per prompt', () => {
  const image = createImage(32, 32);
  const scores = {
    clip: {},
    seconds: 1,
    evaluations: { forward: 1, pullback: 0 },
    iteration: 0,
    iterations: 0,
  };
  const result = {
    ...{ ...scores, seed: 1, fingerprint: 'f', image: 'images/1.png' },
    judge: { score: 0.9, correct: true, things: 1 },
  };
  const entry = (prompt: string, method: MethodName) => ({ result: { ...result, prompt, method }, image });
  const sheet = contactSheet(prompts.map(({ text }) => [entry(text, 'sd'), entry(text, 'best-of')]));
  expect(sheet.width).toBeGreaterThan(4 * 32);
  expect(sheet.height).toBeGreaterThan(32);
});

it('a folder without results is an empty one', async () => {
  const store = await openResults(path.join(folder, 'new'));
  expect(store.find({ prompt: 'x', method: 'sd', seed: 1, fingerprint: 'f' })).toBeUndefined();
});
