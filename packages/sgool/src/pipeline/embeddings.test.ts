/** Textual inversion against diffusers: fixtures/make/embeddings.py. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import cases from '../../../../fixtures/data/embeddings/cases.json' with { type: 'json' };
import { tokenizerOf } from '../models/components.ts';
import { promptEncoder } from '../models/stable-diffusion/text-encoding.ts';
import { FIXTURES } from '../networks/testing.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { embeddingTokens, FIRST_EMBEDDING_ID } from '../text/embedding-tokens.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { promptChunks } from '../text/prompt/chunks.ts';
import { parsePrompt } from '../text/prompt/prompt.ts';
import { openSafetensors, readTensor } from '../weights/formats/safetensors.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { openModel } from '../weights/open/open-model.ts';
import { type EmbeddingChoice, openEmbedding } from '../weights/open/textual-inversion.ts';
import { loadPipeline } from './load-pipeline.ts';

const folder = join(FIXTURES, 'pipeline');
const file = (name: string) => join(FIXTURES, 'embeddings', name);
const placed = (choices: readonly EmbeddingChoice[]) =>
  choices.map((choice) => ({ ...choice, path: file(choice.path) }));

const programs = new ProgramCache({});
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-embeddings-'));
});
afterAll(async () => {
  await programs.dispose();
  await rm(dir, { recursive: true });
});

/** States of a prompt by the text encoder of a model with embeddings. */
async function statesOf(prompt: string, embeddings: readonly EmbeddingChoice[]): Promise<Float32Array> {
  const model = await openModel(folder, { embeddings });
  const tokenizer = await loadTokenizer(tokenizerOf(model).dir, { embeddings: model.embeddings });
  const component = model.components.get('text_encoder');
  if (component === undefined) throw new Error('no text encoder');
  const own = new ProgramCache({});
  try {
    const encoder = promptEncoder(component, tokenizer, own, model.embeddings);
    const [{ data }] = await encoder.encode(parsePrompt(prompt, 'plain', 1), 1);
    return data;
  } finally {
    await own.dispose();
  }
}

const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));

describe('prompts with embeddings', () => {
  it.each(cases.map((each, index) => ({ ...each, index })))(
    'are encoded as by diffusers: $prompt of $files',
    async ({ files, prompt, index }) => {
      const expected = await readTensor(await openSafetensors(file('expected.safetensors')), String(index));
      const actual = await statesOf(prompt, placed(files));
      expect(actual.length).toBe(expected.length);
      expect(apart(actual, expected)).toBeLessThanOrEqual(1e-5);
    },
  );

  it('are not others where no word of an embedding is in them, bit for bit', async () => {
    const prompt = 'a red house';
    expect(await statesOf(prompt, placed([{ path: 'one.bin' }]))).toEqual(await statesOf(prompt, []));
  });

  it("change by the word, which in the web UI's form must stand alone", async () => {
    const given = placed([{ path: 'web.safetensors' }]);
    expect(apart(await statesOf('a web house', given), await statesOf('a web house', []))).toBeGreaterThan(
      0.01,
    );
    expect(await statesOf('a cobweb webs house', given)).toEqual(await statesOf('a cobweb webs house', []));
  });
});

describe('an embedding', () => {
  it.each([
    ['one.bin', { word: '<Cat-Toy>', vectors: 1, isWholeWord: false }],
    ['several.safetensors', { word: '<style>', vectors: 3, isWholeWord: false }],
    ['web.pt', { word: 'web', vectors: 2, isWholeWord: true }],
    ['web-params.pt', { word: 'web-params', vectors: 2, isWholeWord: true }],
    ['web.safetensors', { word: 'web', vectors: 2, isWholeWord: true }],
  ])('is read from %s', async (name, expected) => {
    expect(await openEmbedding({ path: file(name) })).toMatchObject({ ...expected, width: 16 });
  });

  it.each([
    [[{ path: 'xl.safetensors' }], /an embedding for Stable Diffusion XL .* is not supported/],
    [[{ path: 'cases.json' }], /cases\.json/],
    [[{ path: 'expected.safetensors' }], /not an embedding: it holds 9 tensors, such as 0 and 1/],
    [[{ path: 'web.pt' }, { path: 'web.safetensors' }], /its word web is that of .*web\.pt too/],
    [[{ path: '../formats/lora-kohya.safetensors' }], /it is a LoRA/],
    [[{ path: '../pipeline/unet/diffusion_pytorch_model.safetensors' }], /it is a UNet/],
  ])('is refused in one line: %j', async (embeddings, message) => {
    await expect(openModel(folder, { embeddings: placed(embeddings) })).rejects.toThrow(message);
  });

  it('of another shape is refused', async () => {
    const path = join(dir, 'shape.safetensors');
    await writeSafetensors(path, { '<a>': { dtype: 'F32', shape: [1, 2, 2], data: new Float32Array(4) } });
    await expect(openEmbedding({ path })).rejects.toThrow('<a> has shape [1,2,2]; [width] or');
  });

  it('of another width is refused with both', async () => {
    const embeddings = placed([{ path: 'wide.safetensors' }]);
    await expect(loadPipeline(folder, { embeddings })).rejects.toThrow(
      /wide\.safetensors: it was made for another model: its vectors have width 768 \(Stable Diffusion 1\.x\), those of .* 16$/,
    );
  });

  it('cannot take a word that the tokenizer has as a token', async () => {
    const embeddings = placed([{ path: 'web.pt', name: '<|endoftext|>' }]);
    await expect(loadPipeline(folder, { embeddings })).rejects.toThrow(/is a token of the tokenizer/);
  });

  it('given as a LoRA names its option', async () => {
    const loras = [{ path: file('web.safetensors') }];
    await expect(openModel(folder, { loras })).rejects.toThrow(/textual inversion .* --embedding/);
  });
});

it('a pipeline says which words it knows and that CLIP does not', async () => {
  const pipeline = await loadPipeline(folder, { embeddings: placed([{ path: 'several.safetensors' }]) });
  try {
    expect(pipeline.model.notes).toContain(
      '<style> in a prompt stands for several.safetensors (3 vectors); CLIP critics and scorers do not know it: they read it as a word',
    );
    expect(pipeline.checkPrompt('a (<style>:1.2)').tokens).toEqual([
      'a</w>',
      '<style>',
      '<style>_1',
      '<style>_2',
    ]);
  } finally {
    await pipeline.dispose();
  }
});

it('several vectors stay together where a prompt is divided', async () => {
  const embeddings = [{ word: '<x>', vectors: 3, isWholeWord: false }];
  const tokenizer = await loadTokenizer(join(folder, 'tokenizer'), { embeddings });
  expect(embeddingTokens(embeddings).map(({ content }) => content)).toEqual(['<x>', '<x>_1', '<x>_2']);
  const chunks = promptChunks([{ text: 'a a a <x> a', weight: 1 }], 7, tokenizer);
  expect(chunks.map(({ length }) => length)).toEqual([5, 6]);
  expect([...chunks[1].ids.slice(1, 4)]).toEqual([0, 1, 2].map((i) => FIRST_EMBEDDING_ID + i));
});
