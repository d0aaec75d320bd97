import { afterAll, beforeAll, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { resizeImage } from '../../image/resize.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import { attentionDetector } from './attention-detector.ts';

let model: Awaited<ReturnType<typeof writeTinyModel>>;
let pipeline: Pipeline;
beforeAll(async () => {
  model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

const picture = (width: number, height: number) =>
  createImage(
    width,
    height,
    Uint8Array.from(new Generator(1).rand([width * height * 3]), (value) => 255 * value),
  );

it('maps the things of the prompt over the whole image', async () => {
  const image = picture(50, 30);
  const detector = await pipeline.detector('attention', { prompt: 'a red cat and a blue boat' });
  const { width, height, data } = await detector.map(image);
  expect([detector.name, width, height]).toEqual(['attention', 50, 30]);
  expect(Math.max(...data)).toBe(1);
  expect(Math.min(...data)).toBe(0);
  expect((await detector.map(image)).data).toEqual(data);
  // Each of the things alone is another map; both together are the greater of them, scaled again.
  const alone = async (prompt: string) =>
    (await (await pipeline.detector('attention', { prompt })).map(image)).data;
  expect(await alone('a red cat')).not.toEqual(await alone('a blue boat'));
});

it('shows the network the noised image at the size of the model, and reads the maps of the nouns', async () => {
  const seen: { latent: Float64Array; timestep: number }[] = [];
  const detector = attentionDetector(
    {
      ...pipeline,
      // Its longer side counts.
      info: { ...pipeline.model, height: 16 },
      async crossAttention(options) {
        expect(options).toMatchObject({ prompt: 'a cat', width: 32, height: 20, guidanceScale: 1 });
        const attention = await pipeline.crossAttention(options);
        return {
          ...attention,
          // Of more positions than are read.
          layers: [{ name: 'larger', heads: 1, rows: 17, columns: 17 }, ...attention.layers],
          program: () => async (latent, timestep) => {
            seen.push({ latent, timestep });
            // The cat is in the last position alone.
            return { maps: Float32Array.from({ length: 5 * 8 }, (_, i) => (i === 39 ? 0.5 : 0.1)) };
          },
        };
      },
    },
    'a cat',
  );
  const { data } = await detector.map(picture(64, 40));
  expect(data[data.length - 1]).toBe(1);
  expect(data[0]).toBe(0);
  const path = pipeline.noisePath({ width: 32, height: 20 });
  const [{ latent, timestep }] = seen;
  // As much noise as signal.
  const level = path.level(timestep);
  expect(path.noise(level) / path.signal(level)).toBeCloseTo(1, 1);
  const noise = new Generator(0).randn([1, 4, 5, 8]);
  const clean = latent.map((value, i) => Math.SQRT2 * value - noise[i]);
  const encoded = await pipeline.encode(resizeImage(picture(64, 40), 32, 20));
  clean.forEach((value, i) => {
    expect(value).toBeCloseTo(encoded[i], 1);
  });
});

it('is the greater of the maps of several things, each scaled by itself', async () => {
  // Two rows of eight: the cat is in the first corner, the boat in the last one and, half, in the first of its row.
  const maps = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 4],
  ];
  const detector = attentionDetector(
    {
      ...pipeline,
      info: pipeline.model,
      crossAttention: async (options) => ({
        ...(await pipeline.crossAttention(options)),
        layers: [{ name: 'one', heads: 1, rows: 2, columns: 8 }],
        program: () => async () => ({ maps: Float32Array.from(maps.flat()) }),
      }),
    },
    'a cat and a boat',
  );
  const { data } = await detector.map(picture(8, 2));
  expect([0, 1, 8, 15].map((at) => data[at])).toEqual([1, 0, 0.5, 1]);
});

it('refuses a prompt without things', async () => {
  await expect(pipeline.detector('attention', { prompt: 'of' })).rejects.toThrow(
    'saliency attention: found no noun in the prompt "of"; it maps the things that a prompt names',
  );
  await expect(pipeline.detector('attention')).rejects.toThrow('saliency attention: no prompt was given');
});
