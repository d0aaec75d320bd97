import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { tokenizerOf } from '../models/components.ts';
import { dot } from '../numbers.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { type ModelFolder, openModelFolder } from '../weights/open/model-folder.ts';
import { openClipCritic } from './clip-critic.ts';

describe('openClipCritic', () => {
  const programs = new ProgramCache({ device: 'cpu' });
  let folder: ModelFolder;
  let shared: Tokenizer;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const model = await writeTinyModel({ without: ['clip_b', 'transalnet'] });
    remove = model.remove;
    folder = await openModelFolder(model.dir);
    shared = await loadTokenizer(tokenizerOf(folder).dir);
  });
  afterAll(async () => {
    await programs.dispose();
    await remove();
  });

  it('scores an image by 100 times the cosine of the embeddings', async () => {
    const critic = await openClipCritic(folder, 'clip', programs, shared);
    const image = createImage(16, 16, [200, 30, 30]);
    const [seen, words] = [await critic?.embedImage(image), await critic?.embedText('a red cat')];
    expect(dot(seen ?? [], seen ?? [])).toBeCloseTo(1, 5);
    expect(await critic?.score(image, 'a red cat')).toBeCloseTo(100 * dot(seen ?? [], words ?? []), 4);
  });

  it('says which texts it reads only a part of, also where its tokenizer cuts them off itself', async () => {
    const critic = await openClipCritic(folder, 'clip', programs, shared);
    expect(critic?.fit('a red cat')).toEqual({ kept: 3, lost: 0, truncated: false, unknown: [] });
    expect(critic?.fit('a red cat '.repeat(60))).toMatchObject({ truncated: true });
  });

  it('finds none where the model has none', async () => {
    expect(await openClipCritic(folder, 'clip_b', programs, shared)).toBeUndefined();
  });

  it('says what is missing where neither CLIP nor model has a vocabulary', async () => {
    await expect(openClipCritic(folder, 'clip', programs, undefined)).rejects.toThrow(
      /clip: it has no tokenizer; put tokenizer.json, or vocab.json and merges.txt/,
    );
  });
});
