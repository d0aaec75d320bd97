import { full, type Shape, trace, type Weights } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { compareWithFixture, openFixture, readKeys, refusalOf } from '../testing.ts';
import { t5Config } from './t5-config.ts';
import { relativeBucket, t5Encoder } from './t5-encoder.ts';

const FORMS = ['gated-gelu', 'relu', 'gelu', 'gelu_new', 'quick_gelu', 'gated-silu'];

it.each(FORMS)('encodes and differentiates as transformers does: %s', async (form) => {
  const fixture = await openFixture(form === 'gated-gelu' ? 't5' : `t5-${form}`);
  const config = t5Config(fixture.config);
  expect(config.feed_forward_proj).toBe(form);
  const errors = await compareWithFixture(fixture, {
    inputs: ['ids', 'embeddings'],
    network: ({ ids, embeddings }, weights) => {
      const encoder = t5Encoder(config, weights);
      return { states: encoder.encode(embeddings), statesOfIds: encoder.encode(encoder.embed(ids)) };
    },
  });
  expect(Object.keys(errors).sort()).toEqual(['gradient:embeddings', 'states', 'statesOfIds']);
  for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1e-5);
});

it('reads the table of tokens under either name', async () => {
  const table = (stored: readonly string[]) => {
    const asked: string[] = [];
    const weights: Weights = {
      has: (name) => stored.includes(name),
      get(name, shape) {
        asked.push(name);
        return full(shape, 0);
      },
    };
    trace({ ids: { shape: [1, 2], dtype: 'int32' } }, ({ ids }) => ({
      x: t5Encoder(t5Config({}), weights).embed(ids),
    }));
    return asked;
  };
  const [tied, own] = ['shared.weight', 'encoder.embed_tokens.weight'];
  expect(table([tied])).toEqual([tied]);
  expect(table([tied, own])).toEqual([own]);
  expect(table([])).toEqual([tied]);
});

it('asks for every weight of the published T5-XXL, the table under one of its two names', async () => {
  const published = await readKeys('t5xxl_encoder', 'networks-text-keys');
  const asked = new Map<string, Shape>();
  const weights: Weights = {
    has: (name) => published.has(name),
    get(name, shape) {
      asked.set(name, shape);
      return full(shape, 0);
    },
  };
  const config = t5Config({
    d_model: 4096,
    d_ff: 10240,
    num_heads: 64,
    num_layers: 24,
    feed_forward_proj: 'gated-gelu',
  });
  trace({ ids: { shape: [1, 2], dtype: 'int32' } }, ({ ids }) => {
    const encoder = t5Encoder(config, weights);
    return { states: encoder.encode(encoder.embed(ids)) };
  });
  published.delete('shared.weight');
  expect(asked).toEqual(published);
});

it('puts each distance into the bucket of transformers', async () => {
  const fixture = await openFixture('t5');
  const tables = [...fixture.names].filter((name) => name.startsWith('buckets-'));
  expect(tables).toHaveLength(6);
  for (const name of tables) {
    const [count, furthest] = required(/(\d+)-(\d+)/.exec(name))
      .slice(1)
      .map(Number);
    const ours = Array.from({ length: 1201 }, (_, i) => relativeBucket(i - 600, count, furthest));
    expect(ours, name).toEqual([...(await fixture.array(name))]);
  }
});

describe('the configuration', () => {
  const refused = (config: Readonly<Record<string, unknown>>) => refusalOf(t5Config, config);

  it('may say the perceptron twice, in the same way', () => {
    const twice = (feed_forward_proj: string, dense_act_fn: string, is_gated_act: boolean) => ({
      feed_forward_proj,
      dense_act_fn,
      is_gated_act,
    });
    expect(() => t5Config(twice('gated-gelu', 'gelu_new', true))).not.toThrow();
    expect(() => t5Config(twice('relu', 'relu', false))).not.toThrow();
    expect(refused(twice('gated-gelu', 'gelu', true))).toBe(
      'T5 config: dense_act_fn is not supported, got "gelu"; feed_forward_proj gated-gelu makes it gelu_new',
    );
    expect(refused(twice('gelu', 'gelu', true))).toContain('feed_forward_proj gelu makes it false');
  });

  it('names what is not read', () => {
    expect(refused({ feed_forward_proj: 'gated-mish' })).toContain(
      'feed_forward_proj is not supported, got "gated-mish"; must be relu, gelu,',
    );
    expect(refused({ model_type: 'umt5' })).toContain('only t5 is read');
    expect(refused({ is_decoder: true })).toContain('is_decoder is not supported, got true');
    expect(refused({ hidden_size: 4096 })).toContain(
      "hidden_size is not supported, got 4096; T5's files call it d_model",
    );
    expect(refused({ relative_attention_num_buckets: 32, relative_attention_max_distance: 8 })).toContain(
      'must be more than 8, a quarter of relative_attention_num_buckets',
    );
  });
});
