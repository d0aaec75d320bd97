/** @file The `config.json` of a CLIPTextModel. */
import { z } from 'zod';
import { limited } from '../config-limits.ts';
import { checkHeads, parseConfig } from '../parse-config.ts';

/** Keys that both towers of CLIP have. */
export const encoderKeys = {
  intermediate_size: limited('intermediate_size'),
  num_hidden_layers: limited('num_hidden_layers').default(12),
  num_attention_heads: limited('num_attention_heads'),
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: limited('layer_norm_eps').default(1e-5),
};

/** Schema of CLIP's text tower. */
export const clipTextSchema = z
  .object({
    ...encoderKeys,
    vocab_size: limited('vocab_size').default(49408),
    hidden_size: limited('hidden_size').default(512),
    intermediate_size: limited('intermediate_size').default(2048),
    num_attention_heads: limited('num_attention_heads').default(8),
    max_position_embeddings: limited('max_position_embeddings').default(77),
    projection_dim: limited('projection_dim').default(512),
    eos_token_id: limited('eos_token_id').default(49407),
  })
  .superRefine(checkHeads);

/**
 * Configuration of a CLIPTextModel.
 *
 * @interface
 */
export type ClipTextConfig = Readonly<z.output<typeof clipTextSchema>>;

/**
 * Checks the `config.json` of a CLIPTextModel.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function clipTextConfig(config: unknown, owner = 'text encoder config'): ClipTextConfig {
  return parseConfig(clipTextSchema, config, owner);
}
