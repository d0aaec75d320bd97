import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { required } from '../errors.ts';
import { storeAdded } from '../weights/open/store-added.ts';
import { findScorerWeights, findVocabulary, vocabularyTexts } from './locate.ts';
import { PREFERENCE, TOKENIZER } from './testing.ts';

const WORDS = 775;
const BLIP_WORDS = 211;
const COMMIT = 'd'.repeat(40);

let dir: string;
let env: Record<string, string>;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sgool-locate-'));
  env = { SGOOL_DATA_DIR: path.join(dir, 'data'), HF_HUB_CACHE: path.join(dir, 'hub') };
});
afterEach(() => rm(dir, { recursive: true }));

/** A model as a pull leaves it. @returns its folder */
async function pulled(id: string): Promise<string> {
  const model = path.join(env.HF_HUB_CACHE, `models--${id.replace('/', '--')}`);
  const snapshot = path.join(model, 'snapshots', COMMIT);
  await mkdir(snapshot, { recursive: true });
  await mkdir(path.join(model, 'refs'));
  await writeFile(path.join(model, 'refs/main'), COMMIT);
  return snapshot;
}

describe('weights', () => {
  it('are those that were added, else those that were pulled', async () => {
    const snapshot = await pulled('xswu/HPSv2');
    expect(() => findScorerWeights('hps-v2.1', env)).toThrow(
      /sgool models pull xswu\/HPSv2 --file HPS_v2\.1/,
    );
    const file = path.join(snapshot, 'HPS_v2.1_compressed.pt');
    await writeFile(file, '');
    expect(findScorerWeights('hps-v2.1', env)).toBe(file);
    expect(() => findScorerWeights('hps-v2', env)).toThrow(/HPS_v2_compressed\.pt/);
    const added = await storeAdded('hps-v2.1', {}, new Map(), env);
    expect(findScorerWeights('hps-v2.1', env)).toBe(added);
  });

  it('are found under the new name of a repository', async () => {
    const snapshot = await pulled('zai-org/ImageReward');
    await writeFile(path.join(snapshot, 'ImageReward.pt'), '');
    expect(findScorerWeights('image-reward', env)).toBe(path.join(snapshot, 'ImageReward.pt'));
  });
});

describe('a vocabulary', () => {
  const search = (words = WORDS) => ({ words, weights: path.join(dir, 'file.pt'), env });

  it('lies beside the weights, with other added weights, or in a pulled model', async () => {
    await expect(findVocabulary('hps-v2', search())).rejects.toThrow(/vocabulary is not here/);
    const snapshot = await pulled('some/diffusion');
    await cp(TOKENIZER, path.join(snapshot, 'tokenizer'), { recursive: true });
    expect(await findVocabulary('hps-v2', search())).toBe(path.join(snapshot, 'tokenizer'));
    await storeAdded('hps-v1', {}, new Map(), env, required(await vocabularyTexts('hps-v2', search())));
    expect(await findVocabulary('hps-v2', search())).toBe(path.join(dir, 'data/weights/hps-v1'));
    await cp(TOKENIZER, dir, { recursive: true });
    expect(await findVocabulary('hps-v2', search())).toBe(dir);
  });

  it('of another size is passed over, and refused where it was asked for', async () => {
    await cp(TOKENIZER, dir, { recursive: true });
    await expect(findVocabulary('hps-v2', search(49408))).rejects.toThrow(/vocabulary is not here/);
    const asked = { ...search(49408), given: TOKENIZER };
    const reason = /tokenizer has 775 tokens; the weights are for 49408/;
    await expect(findVocabulary('hps-v2', asked)).rejects.toThrow(reason);
    await expect(vocabularyTexts('hps-v2', asked)).rejects.toThrow(reason);
    expect(await vocabularyTexts('hps-v2', search(49408))).toBeUndefined();
  });

  it('of ImageReward is vocab.txt', async () => {
    const given = `${PREFERENCE}vocab.txt`;
    expect(await findVocabulary('image-reward', { ...search(BLIP_WORDS), given })).toBe(given);
    const texts = await vocabularyTexts('image-reward', { ...search(BLIP_WORDS), given: PREFERENCE });
    expect(Object.keys(required(texts))).toEqual(['vocab.txt']);
    // One that is meant for another scorer of the same command does not count.
    const other = { ...search(BLIP_WORDS), given: TOKENIZER };
    await expect(findVocabulary('image-reward', other)).rejects.toThrow(/bert-base-uncased is not here/);
  });
});
