/** @file The `config.json` of a CLIPTextModel. */
import { z } from 'zod';
import { count, parseConfig } from '../parse-config.ts';

/** Keys that both towers of CLIP have. */
export const encoderKeys = {
  intermediate_size: count,
  num_hidden_layers: count.default(12),
  num_attention_heads: count,
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
};

/** Schema of CLIP's text tower. */
export const clipTextSchema = z.object({
  ...encoderKeys,
  vocab_size: count.default(49408),
  hidden_size: count.default(512),
  intermediate_size: count.default(2048),
  num_attention_heads: count.default(8),
  max_position_embeddings: count.default(77),
});

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
