/**
 * @file Names of the transformer of Stable Diffusion 3 and 3.5 in the files of Stability AI and in diffusers. There, query, key and value
 * are one tensor, and modulations without a gate give the shift first.
 *
 * Reference: Stability-AI/sd3.5, mmditx.py; names of diffusers' SD3Transformer2DModel
 */
import { evenParts } from '../formats/part-source.ts';
import { type ModuleTable, same, swapped, type TransformerNaming } from './transformer-naming.ts';

const qkv = (attention: string) => evenParts(`${attention}.to_q`, `${attention}.to_k`, `${attention}.to_v`);

const IMAGE: ModuleTable = {
  'x_block.adaLN_modulation.1': same('norm1.linear'),
  'x_block.attn.qkv': qkv('attn'),
  'x_block.attn.ln_q': same('attn.norm_q'),
  'x_block.attn.ln_k': same('attn.norm_k'),
  'x_block.attn.proj': same('attn.to_out.0'),
  'x_block.attn2.qkv': qkv('attn2'),
  'x_block.attn2.ln_q': same('attn2.norm_q'),
  'x_block.attn2.ln_k': same('attn2.norm_k'),
  'x_block.attn2.proj': same('attn2.to_out.0'),
  'x_block.mlp.fc1': same('ff.net.0.proj'),
  'x_block.mlp.fc2': same('ff.net.2'),
};

const TEXT: ModuleTable = {
  'context_block.adaLN_modulation.1': same('norm1_context.linear'),
  'context_block.attn.qkv': evenParts('attn.add_q_proj', 'attn.add_k_proj', 'attn.add_v_proj'),
  'context_block.attn.ln_q': same('attn.norm_added_q'),
  'context_block.attn.ln_k': same('attn.norm_added_k'),
  'context_block.attn.proj': same('attn.to_add_out'),
  'context_block.mlp.fc1': same('ff_context.net.0.proj'),
  'context_block.mlp.fc2': same('ff_context.net.2'),
};

export const SD3: TransformerNaming = {
  tensors: { pos_embed: 'pos_embed.pos_embed' },
  outer: {
    'x_embedder.proj': same('pos_embed.proj'),
    't_embedder.mlp.0': same('time_text_embed.timestep_embedder.linear_1'),
    't_embedder.mlp.2': same('time_text_embed.timestep_embedder.linear_2'),
    'y_embedder.mlp.0': same('time_text_embed.text_embedder.linear_1'),
    'y_embedder.mlp.2': same('time_text_embed.text_embedder.linear_2'),
    context_embedder: same('context_embedder'),
    'final_layer.adaLN_modulation.1': swapped('norm_out.linear'),
    'final_layer.linear': same('proj_out'),
  },
  blocks: [
    {
      file: 'joint_blocks',
      network: 'transformer_blocks',
      modules: { ...IMAGE, ...TEXT },
      last: { 'context_block.adaLN_modulation.1': swapped('norm1_context.linear') },
    },
  ],
};
