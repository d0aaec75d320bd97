import { expect, it } from 'vitest';
import { compareWithFixture, openFixture } from '../testing.ts';
import { textEncoder } from './text-encoder.ts';
import { clipTextConfig } from './text-encoder-config.ts';

it.each([
  { what: 'names of the published files', rename: (name: string) => name },
  { what: 'names that transformers 5 writes', rename: (name: string) => name.replace(/^text_model\./, '') },
])('gives the hidden states of CLIPTextModel: $what', async ({ rename }) => {
  const fixture = await openFixture('text-encoder', { rename });
  const errors = await compareWithFixture(fixture, {
    inputs: ['ids'],
    network: ({ ids }, weights) => ({
      lastHiddenState: textEncoder(clipTextConfig(fixture.config), weights)(ids).lastHiddenState,
    }),
  });
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-5);
  expect(errors).toHaveProperty(['lastHiddenState']);
});

it('the token table receives the gradient that torch gives it', async () => {
  const fixture = await openFixture('text-encoder');
  const errors = await compareWithFixture(fixture, {
    inputs: ['ids'],
    network: ({ ids }, weights) => ({
      lastHiddenState: textEncoder(clipTextConfig(fixture.config), weights)(ids).lastHiddenState,
    }),
  });
  expect(errors['gradient:text_model.embeddings.token_embedding.weight']).toBeLessThan(1e-5);
});
