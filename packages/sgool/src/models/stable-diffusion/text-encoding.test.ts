import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import fixture from '../../../../../fixtures/data/prompts.json' with { type: 'json' };
import { FIXTURES } from '../../networks/testing.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import { loadTokenizer } from '../../text/load-tokenizer.ts';
import { parsePrompt } from '../../text/prompt/prompt.ts';
import { openSafetensors, readTypedTensor } from '../../weights/formats/safetensors.ts';
import { weightSource } from '../../weights/formats/weight-source.ts';
import { promptEncoder } from './text-encoding.ts';

const file = await openSafetensors(path.join(FIXTURES, 'prompts.safetensors'));
const weights = weightSource(file, (name) => name.replace(/^encoder\./, ''));
const tokenizer = await loadTokenizer(path.join(FIXTURES, 'text'), {
  config: { model_max_length: fixture.config.max_position_embeddings },
});
const programs = new ProgramCache({});
const component = { name: 'text_encoder', dir: 'text_encoder', config: fixture.config, weights };
const prompts = promptEncoder(component, tokenizer, programs);
afterAll(() => programs.dispose());

const expected = async (name: string) => (await readTypedTensor(file, name)).data as Float32Array;

function expectClose(ours: Float32Array, theirs: Float32Array, tolerance = 2e-5) {
  expect(ours.length).toBe(theirs.length);
  const apart = ours.map((value, i) => Math.abs(value - theirs[i]));
  expect(Math.max(...apart)).toBeLessThan(tolerance);
}

describe('prompts of the web UI', () => {
  it.each(fixture.a1111.map((each, index) => ({ ...each, index })))(
    'are read and encoded as there: $prompt',
    async ({ prompt, steps, clipSkip, stages, index }) => {
      const parsed = parsePrompt(prompt, 'a1111', steps);
      expect(parsed.stages.map(({ until }) => until)).toEqual(stages.map(([until]) => until));
      for (const [i, { parts }] of parsed.stages.entries()) {
        const wanted = (stages[i][1] as (string | [string, number])[]).map((part) =>
          typeof part === 'string' ? 'break' : { text: part[0], weight: expect.closeTo(part[1], 12) },
        );
        expect(parts).toEqual(wanted);
      }
      const contexts = await prompts.encode(parsed, clipSkip);
      const all = Float32Array.from(contexts.flatMap(({ data }) => [...data]));
      expectClose(all, await expected(`a1111.${index}`));
    },
  );

  it('are the same numbers as the text itself where they hold no weights, bit for bit', async () => {
    const prompt = 'A red cat, and a blue dog: 42!';
    const [weighted] = await prompts.encode(parsePrompt(prompt, 'a1111', 10), 1);
    const [plain] = await prompts.encode(parsePrompt(prompt, 'plain', 10), 1);
    expect(weighted).toEqual(plain);
  });
});

describe('prompts of compel', () => {
  it.each(fixture.compel.map((each, index) => ({ ...each, index })))(
    'are encoded as there: $prompt',
    async ({ prompt, clipSkip, index }) => {
      const parsed = parsePrompt(prompt, 'compel', 10);
      const [{ data, tokens }] = await prompts.encode(parsed, clipSkip);
      expectClose(data, await expected(`compel.${index}`), 1e-5);
      const [stage] = parsed.stages;
      expect(prompts.chunkCount('compel', stage) * fixture.config.max_position_embeddings).toBe(tokens);
    },
  );
});

describe('promptEncoder', () => {
  it('pads with empty prompts', async () => {
    const [context] = await prompts.encode(parsePrompt('a cat', 'a1111', 1), 1);
    const [empty] = await prompts.encode(parsePrompt('', 'a1111', 1), 1);
    const [padded] = await prompts.padded([context], 3 * context.tokens, 1);
    expect(padded.tokens).toBe(3 * context.tokens);
    expect([...padded.data]).toEqual([...context.data, ...empty.data, ...empty.data]);
  });

  it('names a layer or a token that does not exist', async () => {
    const prompt = parsePrompt('a cat', 'a1111', 1);
    await expect(prompts.encode(prompt, 4)).rejects.toThrow(/clipSkip must be at most 3 .* got 4/);
    const small = { ...component, config: { ...fixture.config, vocab_size: 300 } };
    const tensors = new Map(weights.tensors);
    tensors.delete('embeddings.token_embedding.weight');
    const own = new ProgramCache({});
    const encoder = promptEncoder({ ...small, weights: { ...weights, tensors } }, tokenizer, own);
    await expect(encoder.encode(prompt, 1)).rejects.toThrow(/the id \d+, but there are embeddings for 300/);
  });
});
