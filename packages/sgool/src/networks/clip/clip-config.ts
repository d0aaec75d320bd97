/** @file The `config.json` of a CLIPModel. */
import { z } from 'zod';
import { limited } from '../config-limits.ts';
import { checkHeads, checkPatches, isObject, parseConfig } from '../parse-config.ts';
import { clipTextSchema, encoderKeys } from '../text/text-encoder-config.ts';

const clipVisionSchema = z.object({
  ...encoderKeys,
  hidden_size: limited('hidden_size').default(768),
  intermediate_size: limited('intermediate_size').default(3072),
  num_attention_heads: limited('num_attention_heads').default(12),
  num_channels: limited('num_channels').default(3),
  image_size: limited('image_size').default(224),
  patch_size: limited('patch_size').default(32),
});

const clipSchema = z.object({
  text_config: clipTextSchema.prefault({}),
  vision_config: clipVisionSchema.superRefine(checkHeads).superRefine(checkPatches).prefault({}),
  projection_dim: limited('projection_dim').default(512),
});

/**
 * Configuration of the image tower of a CLIPModel.
 *
 * @interface
 */
export type ClipVisionConfig = Readonly<z.output<typeof clipVisionSchema>>;
/**
 * Configuration of a CLIPModel.
 *
 * @interface
 */
export type ClipConfig = Readonly<z.output<typeof clipSchema>>;

/**
 * Checks the `config.json` of a CLIPModel. Old files repeat parts as `text_config_dict` and `vision_config_dict`, which
 * then win, as in transformers.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function clipConfig(config: unknown, owner = 'clip config'): ClipConfig {
  if (!isObject(config)) return parseConfig(clipSchema, config, owner);
  const merged: Record<string, unknown> = { ...config };
  for (const part of ['text_config', 'vision_config']) {
    const old = config[`${part}_dict`];
    if (isObject(old)) merged[part] = isObject(config[part]) ? { ...config[part], ...old } : old;
    else merged[part] = config[part] ?? {};
  }
  return parseConfig(clipSchema, merged, owner);
}
