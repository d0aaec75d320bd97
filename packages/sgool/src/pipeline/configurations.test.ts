/** Numbers in the JSON files of a model that no model has, and configurations that contradict each other: one line each. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { methods } from '../methods/index.ts';
import { loadPipeline } from './load-pipeline.ts';
import { writeTinyModel } from './testing.ts';

let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel({ without: ['transalnet', 'clip_b'] });
});
afterAll(() => model.remove());

type Json = Record<string, unknown>;

/** Loads the model with one of its files changed, and makes an image with it; the error, if it is a single line of a UserError. */
async function used(file: string, change: (content: Json) => Json): Promise<string | undefined> {
  const place = path.join(model.dir, file);
  const before = await readFile(place, 'utf8');
  // As Python writes it: JSON itself has no infinity.
  const text = JSON.stringify(change(JSON.parse(before)), (_, value) =>
    value === Number.POSITIVE_INFINITY ? 'beyond float64' : value,
  ).replaceAll('"beyond float64"', 'Infinity');
  await writeFile(place, text);
  const started = performance.now();
  let pipeline: Awaited<ReturnType<typeof loadPipeline>> | undefined;
  try {
    pipeline = await loadPipeline(model.dir, { threads: 1 });
    const { width, height } = pipeline.model;
    if (Math.max(width, height) > 128) return undefined;
    for await (const { image } of methods.sd.run(pipeline, { prompt: 'a red cat', seed: 1, steps: 1 })) {
      expect(image.width).toBe(width);
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.message).not.toContain('\n');
    expect(error.message.length).toBeLessThan(500);
    return error.message;
  } finally {
    expect(performance.now() - started).toBeLessThan(10_000);
    await pipeline?.dispose();
    await writeFile(place, before);
  }
}

const UNET = 'unet/config.json';
const VAE = 'vae/config.json';
const TEXT = 'text_encoder/config.json';
const SCHEDULER = 'scheduler/scheduler_config.json';
const VOCABULARY = 'tokenizer/vocab.json';
const TOKENIZER = 'tokenizer/tokenizer_config.json';

describe('refused in one line', () => {
  it.each<[file: string, keys: Json, message: RegExp]>([
    [
      UNET,
      { out_channels: 8 },
      /the UNet gives 8 channels, the autoencoder's latent has 4; they must be the same/,
    ],
    [UNET, { in_channels: 5 }, /5/],
    [
      UNET,
      { cross_attention_dim: 32 },
      /reads text of width 32 \(cross_attention_dim\), the text encoder gives 16/,
    ],
    [TEXT, { hidden_size: 32 }, /the text encoder gives 32 \(hidden_size\)/],
    [VAE, { in_channels: 4 }, /the autoencoder takes 4 and gives 3 channels; images have 3/],
    [VAE, { out_channels: 1 }, /the autoencoder takes 3 and gives 1 channels; images have 3/],
    [UNET, { sample_size: 4096 }, /sample_size is not supported, got 4096/],
    [VAE, { scaling_factor: 1e-300 }, /scaling_factor is not supported, got 1e-300/],
    [VAE, { scaling_factor: 0 }, /scaling_factor is not supported, got 0/],
    [VAE, { scaling_factor: -0.5 }, /scaling_factor is not supported, got -0\.5/],
    [VAE, { scaling_factor: Number.POSITIVE_INFINITY }, /scaling_factor is not supported, got Infinity/],
    [
      SCHEDULER,
      { num_train_timesteps: 1e9 },
      /num_train_timesteps is not usable, got 1000000000; it must be a whole number from 1 to 10000/,
    ],
    [SCHEDULER, { num_train_timesteps: '1000' }, /num_train_timesteps is not usable, got "1000"/],
    [
      SCHEDULER,
      { beta_start: '0.5' },
      /beta_start is not usable, got "0\.5"; it must be a number between 0 and 1/,
    ],
    [SCHEDULER, { beta_start: 1.5 }, /beta_start is not usable, got 1\.5/],
    [SCHEDULER, { beta_end: -0.1 }, /beta_end is not usable, got -0\.1/],
    [SCHEDULER, { beta_end: Number.POSITIVE_INFINITY }, /beta_end is not usable, got Infinity/],
    [SCHEDULER, { beta_end: 0.99 }, /the betas leave a share of \S+ of the signal at timestep \d+ of 1000/],
    [
      SCHEDULER,
      { trained_betas: 'all' },
      /trained_betas is not usable, got "all"; it must be a list of numbers/,
    ],
    [SCHEDULER, { trained_betas: [0.1, 0.2] }, /trained_betas is not usable, got 2 values; it must be 1000/],
    [SCHEDULER, { trained_betas: new Array(1000).fill(2) }, /trained_betas is not usable/],
    [
      VOCABULARY,
      { 'cat</w>': 4e9 },
      /"cat<\/w>" has id 4000000000; ids must be whole numbers from 0 to 16777215/,
    ],
    [
      VOCABULARY,
      { 'cat</w>': 5000 },
      /text_encoder: the tokenizer gives a token the id 5000, but there are embeddings for \d+ tokens only/,
    ],
    [VOCABULARY, { 'cat</w>': -1 }, /has id -1; ids must be/],
    [VOCABULARY, { 'cat</w>': 1.5 }, /has id 1\.5; ids must be/],
    [TOKENIZER, { model_max_length: -1 }, /model_max_length is not usable, got -1/],
    [TOKENIZER, { model_max_length: 12.5 }, /model_max_length is not usable, got 12\.5/],
    [TOKENIZER, { model_max_length: '12' }, /model_max_length is not usable, got "12"/],
  ])('%s %j', async (file, keys, message) => {
    expect(await used(file, (content) => ({ ...content, ...keys }))).toMatch(message);
  });

  it('an id without an embedding, in CLIP, where the text encoder has one', async () => {
    const change = (content: Json) => ({
      ...content,
      text_config: { ...(content.text_config as Json), vocab_size: 5 },
    });
    expect(await used('clip/config.json', change)).toMatch(
      /clip: the tokenizer gives a token the id \d+, but there are embeddings for 5/,
    );
  });
});

it('takes what is published: no limit of length, as transformers writes it', async () => {
  expect(await used(TOKENIZER, (content) => ({ ...content, model_max_length: 1e30 }))).toBeUndefined();
});

it('never fails otherwise, whatever number is in the files', async () => {
  const files = [UNET, VAE, TEXT, SCHEDULER, TOKENIZER, 'clip/config.json'];
  const number = fc.oneof(
    fc.constantFrom<unknown>(0, -1, 1e9, 1e308, 0.5, 3, Number.POSITIVE_INFINITY, 'x', null, [], {}, true),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), fc.nat(), number, async (file, at, value) => {
      await used(file, (content) => {
        const keys = Object.keys(content);
        return { ...content, [keys[at % keys.length]]: value };
      });
    }),
    { numRuns: 40 },
  );
}, 120_000);
