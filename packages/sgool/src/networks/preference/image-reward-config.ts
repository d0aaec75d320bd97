/** @file The configuration of ImageReward: its BERT as in the published `med_config.json`, the rest as in its code. */
import { z } from 'zod';
import { count, parseConfig } from '../parse-config.ts';

const textSchema = z.object({
  vocab_size: count.default(30524),
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  num_hidden_layers: count.default(12),
  num_attention_heads: count.default(12),
  max_position_embeddings: count.default(512),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_act: z.literal('gelu').default('gelu'),
  add_cross_attention: z.literal(true).default(true),
});

const visionSchema = z.object({
  hidden_size: count.default(1024),
  intermediate_size: count.default(4096),
  num_hidden_layers: count.default(24),
  num_attention_heads: count.default(16),
  image_size: count.default(224),
  patch_size: count.default(16),
  layer_norm_eps: z.number().positive().default(1e-6),
});

const imageRewardSchema = z.object({
  text_config: textSchema.prefault({}),
  vision_config: visionSchema.prefault({}),
  /** Widths between the class token and the reward. */
  mlp: z.tuple([count, count, count, count]).default([1024, 128, 64, 16]),
  /** Tokens of a prompt, start and end included. */
  max_length: count.default(35),
  /** Mean and standard deviation over the validation set; rewards are standardised with them. */
  reward_mean: z.number().default(0.16717362830052426),
  reward_std: z.number().positive().default(1.0333394966054072),
});

/**
 * Configuration of BLIP's text encoder: BERT with cross-attention to the image in every layer.
 *
 * @interface
 */
export type BlipTextConfig = Readonly<z.output<typeof textSchema>>;
/**
 * Configuration of BLIP's vision transformer.
 *
 * @interface
 */
export type BlipVisionConfig = Readonly<z.output<typeof visionSchema>>;
/**
 * Configuration of ImageReward; without any key it is the published one.
 *
 * @interface
 */
export type ImageRewardConfig = Readonly<z.output<typeof imageRewardSchema>>;

/**
 * Checks a configuration of ImageReward; absent keys have the published values.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function imageRewardConfig(config: unknown, owner = 'ImageReward config'): ImageRewardConfig {
  return parseConfig(imageRewardSchema, config, owner);
}
