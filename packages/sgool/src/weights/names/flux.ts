/**
 * @file Names of Flux.1's transformer in the files of Black Forest Labs and in diffusers. There, the projections of one input are one
 * tensor, and the last modulation gives the shift first.
 *
 * Reference: black-forest-labs/flux, src/flux/model.py, modules/layers.py; names of diffusers' FluxTransformer2DModel
 */
import { evenParts } from '../formats/part-source.ts';
import { same, swapped, type TransformerNaming } from './transformer-naming.ts';

const QKV = ['to_q', 'to_k', 'to_v'].map((name) => `attn.${name}`);
const ADDED_QKV = ['add_q_proj', 'add_k_proj', 'add_v_proj'].map((name) => `attn.${name}`);

/** Widths of the first projection of a block of one sequence: query, key and value, and four for the perceptron. */
const BANDS = 7;

export const FLUX: TransformerNaming = {
  outer: {
    img_in: same('x_embedder'),
    txt_in: same('context_embedder'),
    'time_in.in_layer': same('time_text_embed.timestep_embedder.linear_1'),
    'time_in.out_layer': same('time_text_embed.timestep_embedder.linear_2'),
    'guidance_in.in_layer': same('time_text_embed.guidance_embedder.linear_1'),
    'guidance_in.out_layer': same('time_text_embed.guidance_embedder.linear_2'),
    'vector_in.in_layer': same('time_text_embed.text_embedder.linear_1'),
    'vector_in.out_layer': same('time_text_embed.text_embedder.linear_2'),
    'final_layer.adaLN_modulation.1': swapped('norm_out.linear'),
    'final_layer.linear': same('proj_out'),
  },
  blocks: [
    {
      file: 'double_blocks',
      network: 'transformer_blocks',
      modules: {
        'img_mod.lin': same('norm1.linear'),
        'txt_mod.lin': same('norm1_context.linear'),
        'img_attn.qkv': evenParts(...QKV),
        'txt_attn.qkv': evenParts(...ADDED_QKV),
        'img_attn.norm.query_norm': same('attn.norm_q'),
        'img_attn.norm.key_norm': same('attn.norm_k'),
        'txt_attn.norm.query_norm': same('attn.norm_added_q'),
        'txt_attn.norm.key_norm': same('attn.norm_added_k'),
        'img_attn.proj': same('attn.to_out.0'),
        'txt_attn.proj': same('attn.to_add_out'),
        'img_mlp.0': same('ff.net.0.proj'),
        'img_mlp.2': same('ff.net.2'),
        'txt_mlp.0': same('ff_context.net.0.proj'),
        'txt_mlp.2': same('ff_context.net.2'),
      },
    },
    {
      file: 'single_blocks',
      network: 'single_transformer_blocks',
      modules: {
        'modulation.lin': same('norm.linear'),
        linear1: [
          ...QKV.map((name, first) => ({ name, band: { first, count: 1, of: BANDS } })),
          { name: 'proj_mlp', band: { first: QKV.length, count: BANDS - QKV.length, of: BANDS } },
        ],
        linear2: same('proj_out'),
        'norm.query_norm': same('attn.norm_q'),
        'norm.key_norm': same('attn.norm_k'),
      },
      // XLabs' LoRAs change the projections for attention alone.
      loraModules: { qkv: evenParts(...QKV) },
    },
  ],
};
