/** @file The `config.json` of a T5EncoderModel. */
import { z } from 'zod';
import { limited } from '../config-limits.ts';
import { misfit, off, parseConfig } from '../parse-config.ts';

/** Activations of the perceptron by their names in transformers. `swish` is another name of `silu`. */
const ACTIVATIONS = ['relu', 'gelu', 'gelu_new', 'gelu_pytorch_tanh', 'quick_gelu', 'silu', 'swish'] as const;
type T5Activation = (typeof ACTIVATIONS)[number];

const PERCEPTRONS = ACTIVATIONS.flatMap((name) => [name, `gated-${name}`] as const);

/** What the perceptron of a layer is. */
export interface T5Perceptron {
  readonly activation: T5Activation;
  /** Whether a second projection is multiplied with the activation. */
  readonly isGated: boolean;
}

/**
 * What `feed_forward_proj` says: an activation, with `gated-` in front for a gate. `gated-gelu` means GELU's approximation by tanh, and `gelu`
 * alone the exact one.
 *
 * Reference: transformers, models/t5/configuration_t5.py
 */
export function perceptronOf(feedForward: (typeof PERCEPTRONS)[number]): T5Perceptron {
  const isGated = feedForward.startsWith('gated-');
  const activation = feedForward.replace('gated-', '') as T5Activation;
  return { activation: feedForward === 'gated-gelu' ? 'gelu_new' : activation, isGated };
}

/** A key under which transformers reads another; T5's own files do not have it. */
const called = (own: string) => z.undefined({ error: `T5's files call it ${own}` }).optional();

const schema = z
  .object({
    model_type: z.literal('t5', { error: 'only t5 is read (umt5 has other positions)' }).optional(),
    vocab_size: limited('vocab_size').default(32128),
    d_model: limited('d_model').default(512),
    d_kv: limited('d_kv').default(64),
    d_ff: limited('d_ff').default(2048),
    num_layers: limited('num_layers').default(6),
    num_heads: limited('num_heads').default(8),
    relative_attention_num_buckets: limited('relative_attention_num_buckets').default(32),
    relative_attention_max_distance: limited('relative_attention_max_distance').default(128),
    layer_norm_epsilon: limited('layer_norm_epsilon').default(1e-6),
    feed_forward_proj: z
      .enum(PERCEPTRONS, { error: `must be ${ACTIVATIONS.join(', ')}, or one of them behind gated-` })
      .default('relu'),
    dense_act_fn: z.string().optional(),
    is_gated_act: z.boolean().optional(),
    is_decoder: off,
    hidden_size: called('d_model'),
    head_dim: called('d_kv'),
    num_hidden_layers: called('num_layers'),
    num_attention_heads: called('num_heads'),
  })
  .superRefine((config, ctx) => {
    // What feed_forward_proj says, written a second time.
    const { activation, isGated } = perceptronOf(config.feed_forward_proj);
    if (![undefined, activation].includes(config.dense_act_fn as T5Activation | undefined)) {
      misfit(ctx, ['dense_act_fn'], `feed_forward_proj ${config.feed_forward_proj} makes it ${activation}`);
    }
    if (![undefined, isGated].includes(config.is_gated_act)) {
      misfit(ctx, ['is_gated_act'], `feed_forward_proj ${config.feed_forward_proj} makes it ${isGated}`);
    }
    const exact = exactDistances(config.relative_attention_num_buckets);
    if (config.relative_attention_max_distance <= exact) {
      const more = `must be more than ${exact}, a quarter of relative_attention_num_buckets`;
      misfit(ctx, ['relative_attention_max_distance'], more);
    }
  });

/** How many distances, from 0 on, have a bucket of their own. */
export const exactDistances = (buckets: number): number => Math.floor(Math.floor(buckets / 2) / 2);

/**
 * Configuration of a T5EncoderModel.
 *
 * @interface
 */
export type T5Config = Readonly<z.output<typeof schema>>;

/**
 * Checks the `config.json` of a T5EncoderModel, or of a whole T5 of which the encoder is used. `tie_word_embeddings` and the keys
 * of the decoder have no effect on it; nor has `dropout_rate`, which is for training.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function t5Config(config: unknown, owner = 'T5 config'): T5Config {
  return parseConfig(schema, config, owner);
}
