/**
 * @file Names of CLIP's weights in files of OpenAI and OpenCLIP (also HPS v1 and v2) and in transformers.
 *
 * Reference: openai/CLIP, clip/model.py; names of transformers' CLIPModel
 */

import { evenParts, type TensorPart } from '../formats/part-source.ts';

const OUTER: Readonly<Record<string, TensorPart>> = {
  logit_scale: { name: 'logit_scale' },
  'token_embedding.weight': { name: 'text_model.embeddings.token_embedding.weight' },
  positional_embedding: { name: 'text_model.embeddings.position_embedding.weight' },
  'ln_final.weight': { name: 'text_model.final_layer_norm.weight' },
  'ln_final.bias': { name: 'text_model.final_layer_norm.bias' },
  text_projection: { name: 'text_projection.weight', transpose: true },
  'visual.class_embedding': { name: 'vision_model.embeddings.class_embedding' },
  'visual.positional_embedding': { name: 'vision_model.embeddings.position_embedding.weight' },
  'visual.conv1.weight': { name: 'vision_model.embeddings.patch_embedding.weight' },
  'visual.ln_pre.weight': { name: 'vision_model.pre_layrnorm.weight' },
  'visual.ln_pre.bias': { name: 'vision_model.pre_layrnorm.bias' },
  'visual.ln_post.weight': { name: 'vision_model.post_layernorm.weight' },
  'visual.ln_post.bias': { name: 'vision_model.post_layernorm.bias' },
  'visual.proj': { name: 'visual_projection.weight', transpose: true },
};

const LAYER: Readonly<Record<string, string>> = {
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
  'attn.out_proj': 'self_attn.out_proj',
};

const THIRDS = ['q_proj', 'k_proj', 'v_proj'];

/**
 * Translates one of OpenAI's names to transformers'.
 *
 * @returns three for the joint projection of query, key and value; none for a tensor that the network does not need (OpenAI's
 *   archive stores the network's sizes as tensors)
 */
export function openClipParts(name: string): readonly TensorPart[] {
  if (Object.hasOwn(OUTER, name)) return [OUTER[name]];
  const [, visual, layer, module] = /^(visual\.)?transformer\.resblocks\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (module === undefined) return [];
  const place = `${visual === undefined ? 'text' : 'vision'}_model.encoder.layers.${layer}`;
  const [, joint] = /^attn\.in_proj_(weight|bias)$/.exec(module) ?? [];
  if (joint !== undefined) {
    return evenParts(...THIRDS.map((third) => `${place}.self_attn.${third}.${joint}`));
  }
  const [, stem, end] = /^(.+)\.(weight|bias)$/.exec(module) ?? [];
  return stem !== undefined && Object.hasOwn(LAYER, stem) ? [{ name: `${place}.${LAYER[stem]}.${end}` }] : [];
}
