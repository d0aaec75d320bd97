/** @file The configuration of ImageReward: its BERT as in the published `med_config.json`, the rest as in its code. */
import { z } from 'zod';
import { limited } from '../config-limits.ts';
import { checkHeads, checkPatches, misfit, parseConfig } from '../parse-config.ts';

const textSchema = z.object({
  vocab_size: limited('vocab_size').default(30524),
  hidden_size: limited('hidden_size').default(768),
  intermediate_size: limited('intermediate_size').default(3072),
  num_hidden_layers: limited('num_hidden_layers').default(12),
  num_attention_heads: limited('num_attention_heads').default(12),
  max_position_embeddings: limited('max_position_embeddings').default(512),
  layer_norm_eps: limited('layer_norm_eps').default(1e-12),
  hidden_act: z.literal('gelu').default('gelu'),
  add_cross_attention: z.literal(true).default(true),
});

const visionSchema = z.object({
  hidden_size: limited('hidden_size').default(1024),
  intermediate_size: limited('intermediate_size').default(4096),
  num_hidden_layers: limited('num_hidden_layers').default(24),
  num_attention_heads: limited('num_attention_heads').default(16),
  image_size: limited('image_size').default(224),
  patch_size: limited('patch_size').default(16),
  layer_norm_eps: limited('layer_norm_eps').default(1e-6),
});

const imageRewardSchema = z
  .object({
    text_config: textSchema.superRefine(checkHeads).prefault({}),
    vision_config: visionSchema.superRefine(checkHeads).superRefine(checkPatches).prefault({}),
    /** Widths between the class token and the reward. */
    mlp: z
      .tuple([limited('mlp'), limited('mlp'), limited('mlp'), limited('mlp')])
      .default([1024, 128, 64, 16]),
    /** Tokens of a prompt, start and end included. */
    max_length: limited('max_length').default(35),
    /** Mean and standard deviation over the validation set; rewards are standardised with them. */
    reward_mean: limited('reward_mean').default(0.16717362830052426),
    reward_std: limited('reward_std').default(1.0333394966054072),
  })
  .superRefine(({ max_length: tokens, text_config: { max_position_embeddings: positions } }, ctx) => {
    if (tokens > positions)
      misfit(ctx, ['max_length'], `must be at most text_config.max_position_embeddings (${positions})`);
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
