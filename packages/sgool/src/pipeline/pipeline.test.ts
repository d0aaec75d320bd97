import { describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { createImage } from '../image/image.ts';
import { Generator } from '../random/generator.ts';
import { SALIENCY_NAMES } from '../request/detectors.ts';
import { loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import { useTinyPipeline } from './testing/tiny-pipeline.ts';
import { writeTinyModel } from './testing.ts';

const size = { width: 32, height: 32 };
const prompt = 'a red cat';
const normal = (seed: number, count = 256) => Float64Array.from(new Generator(seed).randn([count]));

describe('pipeline', () => {
  let pipeline: Pipeline;
  useTinyPipeline((opened) => {
    pipeline = opened;
  });

  it('knows its model', () => {
    expect(pipeline.model).toMatchObject({
      width: 32,
      height: 32,
      scaleFactor: 4,
      sizeMultiple: 4,
      latentChannels: 4,
      has: { clip: true, clipB: true, transalnet: true },
    });
    expect(pipeline.latentShape({ width: 40, height: 24 })).toEqual([1, 4, 6, 10]);
    expect(pipeline.checkPrompt('a red cat').truncated).toBe(false);
    expect(pipeline.checkPrompt('a red cat '.repeat(5))).toMatchObject({ truncated: false, chunks: 2 });
    expect(pipeline.checkPrompt('a red cat '.repeat(5), { promptSyntax: 'plain' })).toMatchObject({
      truncated: true,
      lost: 5,
    });
  });

  it('decodes images of any size that fits', async () => {
    const image = await pipeline.decode(normal(1, 240), { width: 40, height: 24 });
    expect(image).toMatchObject({ width: 40, height: 24 });
    expect(image.data).toHaveLength(40 * 24 * 3);
  });

  it('scores with both CLIPs, between -100 and 100', async () => {
    const image = await pipeline.decode(normal(1), size);
    const { A, B } = await pipeline.score(image, prompt);
    expect(Math.abs(A ?? Number.NaN)).toBeLessThanOrEqual(100);
    expect(Math.abs(B ?? Number.NaN)).toBeLessThanOrEqual(100);
    expect(A).not.toBe(B);
    expect(await pipeline.score(image, prompt)).toEqual({ A, B });
  });

  it.each(SALIENCY_NAMES)('has the detector %s', async (name) => {
    const image = await pipeline.decode(normal(2), size);
    const detector = await pipeline.detector(name, { prompt, mask: createImage(8, 8, [255, 255, 255]) });
    const map = await detector.map(image);
    expect(detector.name).toBe(name);
    expect(map).toMatchObject(size);
    expect(map.data).toHaveLength(32 * 32);
    expect(map.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    // The noise of a tiny model shows none of the things that the judge knows.
    const marksNothing = name === 'none' || name === 'judge';
    if (marksNothing) expect(Math.max(...map.data)).toBe(0);
    else expect(Math.max(...map.data)).toBeGreaterThan(0.5);
  });

  it('draws the random box from the given stream, and removes the centre bias where asked', async () => {
    const image = await pipeline.decode(normal(2), size);
    const box = async (random?: Generator) =>
      (await (await pipeline.detector('random', { random })).map(image)).boxes;
    expect(await box(new Generator(3))).not.toEqual(await box(new Generator(4)));
    expect(await box()).toEqual(await box(new Generator(0)));
    const centre = async (centreBias: 'keep' | 'remove') =>
      (await (await pipeline.detector('centre', { centreBias })).map(image)).data;
    expect(await centre('remove')).not.toEqual(await centre('keep'));
  });

  it('says what a detector lacks', async () => {
    await expect(pipeline.detector('mask')).rejects.toThrow(/no mask was given/);
    await expect(pipeline.detector('grad-cam')).rejects.toThrow(/no prompt was given/);
  });

  it('works without its optional parts, and names the one that is missing', async () => {
    const bare = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
    const plain = await loadPipeline(bare.dir);
    try {
      expect(plain.model.has).toEqual({ clip: false, clipB: false, transalnet: false });
      const image = await plain.decode(normal(1), size);
      expect(await plain.score(image, prompt)).toEqual({});
      await expect(plain.critic()).rejects.toThrow(UserError);
      await expect(plain.critic()).rejects.toThrow(
        /has no CLIP, which this needs; give one with the option clip/,
      );
      await expect(plain.detector('transalnet')).rejects.toThrow(/no folder transalnet/);
    } finally {
      await plain.dispose();
      await bare.remove();
    }
  });

  it('refuses what is no model', async () => {
    await expect(loadPipeline('no-such-model')).rejects.toThrow(/no-such-model.*toybox/);
  });
});
