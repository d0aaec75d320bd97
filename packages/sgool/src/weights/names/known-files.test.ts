import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openTensorFile } from '../formats/tensor-file.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { FORMATS, PIPELINE } from '../testing.ts';
import { describeFile, refuseAs } from './known-files.ts';
import type { Door } from './signature.ts';

/** A file with these names; a name may end in its shape, `conv_in.weight [320, 9, 3, 3]`. */
function fileOf(...names: string[]) {
  const tensors = new Map<string, WeightTensor>();
  for (const entry of names) {
    const [, name, shape = '1,1'] = /^(\S+)(?: \[(.*)\])?$/.exec(entry) ?? ['', entry];
    tensors.set(name, {
      dtype: 'F32',
      shape: shape.split(',').map(Number),
      path: 'x.safetensors',
      byteOffset: 0,
      byteLength: 0,
    });
  }
  return { path: 'x.safetensors', tensors };
}

const LDM = 'model.diffusion_model.input_blocks.0.0.weight';
/** A kind of file by some of its published names, what it is called, and the places where it is read. */
const KINDS: [string, string[], RegExp, Door[]][] = [
  [
    'LoRA of kohya',
    ['lora_unet_mid_block_attentions_0_proj_in.lora_down.weight'],
    /^a LoRA, which/,
    ['lora'],
  ],
  ['LoRA of diffusers', ['unet.mid_block.attentions.0.proj_in.lora_A.weight'], /^a LoRA, which/, ['lora']],
  [
    'LoRA, oldest',
    ['mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight'],
    /^a LoRA, which/,
    ['lora'],
  ],
  ['LoHa', ['lora_unet_mid_block_attentions_0_proj_in.hada_w1_a'], /^a LoRA, which/, ['lora']],
  ['differences', ['lora_unet_conv_in.diff', 'lora_unet_conv_in.diff_b'], /^a LoRA, which/, ['lora']],
  [
    'LoRA for a text encoder',
    ['lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight'],
    /^a LoRA, which/,
    ['lora'],
  ],
  [
    'LoRA with the names of SD1 in LDM',
    ['lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_k.lora_up.weight'],
    /^a LoRA, which/,
    ['lora'],
  ],
  [
    'SDXL LoRA by its second text encoder',
    ['lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight'],
    /LoRA for Stable Diffusion XL/,
    [],
  ],
  [
    'SDXL LoRA of kohya',
    ['lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_k.lora_down.weight'],
    /LoRA for Stable Diffusion XL/,
    [],
  ],
  [
    'SDXL LoRA of diffusers',
    ['unet.down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_k.lora_A.weight'],
    /LoRA for Stable Diffusion XL/,
    [],
  ],
  [
    'SDXL LoRA, middle',
    ['unet.mid_block.attentions.0.transformer_blocks.1.attn2.to_k.lora.down.weight'],
    /LoRA for Stable Diffusion XL/,
    [],
  ],
  [
    'Flux LoRA',
    ['transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight'],
    /^a LoRA for Flux$/,
    ['lora'],
  ],
  [
    'Flux LoRA of kohya',
    ['lora_unet_double_blocks_0_img_attn_proj.lora_down.weight'],
    /^a LoRA for Flux$/,
    ['lora'],
  ],
  ['Flux LoRA of XLabs', ['double_blocks.0.processor.qkv_lora1.down.weight'], /^a LoRA for Flux$/, ['lora']],
  [
    'Flux LoRA of OneTrainer',
    ['lora_transformer_single_transformer_blocks_0_attn_to_k.lora_down.weight', 'lora_te2_x.alpha'],
    /^a LoRA for Flux$/,
    ['lora'],
  ],
  [
    'Flux control LoRA',
    ['double_blocks.0.img_attn.qkv.lora_A.weight', 'double_blocks.0.img_attn.norm.query_norm.scale'],
    /LoRA for Flux with a control image/,
    [],
  ],
  [
    'FLUX.2 LoRA',
    ['transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj.lora_A.weight'],
    /LoRA for FLUX.2/,
    [],
  ],
  [
    'Qwen-Image LoRA',
    ['transformer.transformer_blocks.0.img_mlp.net.2.lora_A.weight'],
    /LoRA for Qwen-Image/,
    [],
  ],
  [
    'SD3 LoRA',
    ['transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight'],
    /LoRA for Stable Diffusion 3 or Flux/,
    ['lora'],
  ],
  [
    'SD3 LoRA of kohya',
    [
      'lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight',
      'lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha',
    ],
    /LoRA for Stable Diffusion 3$/,
    ['lora'],
  ],
  ['Wan LoRA', ['diffusion_model.blocks.0.self_attn.q.lora_A.weight'], /LoRA for a video model/, []],
  [
    'AnimateDiff LoRA',
    [
      'down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.to_q_lora.down.weight',
    ],
    /a LoRA for the motion modules of AnimateDiff/,
    ['lora'],
  ],
  ['textual inversion of A1111', ['emb_params [2, 768]'], /textual inversion/, []],
  ['textual inversion of diffusers', ['<cat-toy> [768]'], /textual inversion/, []],
  ['textual inversion by a plain word', ['cat-toy [3, 1024]'], /textual inversion/, []],
  ['textual inversion of the widest encoder', ['cat-toy [1280]'], /textual inversion/, []],
  ['textual inversion of SDXL', ['clip_g [2, 1280]', 'clip_l [2, 768]'], /textual inversion/, []],
  [
    'AnimateDiff',
    ['down_blocks.0.motion_modules.0.temporal_transformer.norm.weight'],
    /^motion modules of AnimateDiff/,
    ['motion', 'unet'],
  ],
  [
    'SparseCtrl',
    [
      'controlnet_cond_embedding.conv_in.weight',
      'down_blocks.0.motion_modules.0.temporal_transformer.norm.weight',
    ],
    /SparseCtrl network/,
    [],
  ],
  ['ControlNet of LDM', ['control_model.input_blocks.0.0.weight'], /a ControlNet/, []],
  [
    'ControlNet of diffusers',
    ['controlnet_cond_embedding.conv_in.weight', 'down_blocks.0.resnets.0.conv1.weight'],
    /a ControlNet/,
    [],
  ],
  ['T2I-Adapter', ['adapter.body.0.resnets.0.block1.weight'], /T2I-Adapter/, []],
  ['IP-Adapter', ['image_proj.proj.weight', 'ip_adapter.1.to_k_ip.weight'], /IP-Adapter/, []],
  [
    'unCLIP',
    [LDM, 'model.diffusion_model.label_emb.0.0.weight', 'noise_augmentor.betas'],
    /an unCLIP model/,
    [],
  ],
  ['SDXL', [LDM, 'conditioner.embedders.1.model.ln_final.weight'], /Stable Diffusion XL/, []],
  [
    'SDXL UNet',
    ['conv_in.weight', 'add_embedding.linear_1.weight', 'down_blocks.0.resnets.0.conv1.weight'],
    /Stable Diffusion XL/,
    [],
  ],
  ['Stable Cascade', ['clip_txt_mapper.weight'], /Stable Cascade/, []],
  ['Flux', ['double_blocks.0.img_attn.qkv.weight', 'img_in.weight [3072, 64]'], /^Flux$/, ['model', 'vae']],
  [
    'Flux in diffusers',
    [
      'transformer_blocks.0.attn.add_q_proj.weight',
      'single_transformer_blocks.0.proj_mlp.weight',
      'x_embedder.weight [3072, 64]',
    ],
    /transformer of Flux with the names of diffusers/,
    ['model', 'transformer'],
  ],
  [
    'Flux Fill',
    ['double_blocks.0.img_attn.qkv.weight', 'img_in.weight [3072, 384]'],
    /\(Fill, Depth, Canny\)/,
    [],
  ],
  [
    'Flux Depth in diffusers',
    ['single_transformer_blocks.0.proj_mlp.weight', 'x_embedder.weight [3072, 128]'],
    /\(Fill, Depth, Canny\)/,
    [],
  ],
  ['Flux Redux', ['redux_up.weight', 'redux_down.weight'], /Redux/, []],
  [
    'Flux ControlNet',
    [
      'controlnet_x_embedder.weight',
      'transformer_blocks.0.attn.add_q_proj.weight',
      'single_transformer_blocks.0.proj_mlp.weight',
    ],
    /a ControlNet of Flux or Stable Diffusion 3/,
    [],
  ],
  [
    'SD3 ControlNet',
    ['controlnet_blocks.0.weight', 'transformer_blocks.0.attn.add_q_proj.weight', 'pos_embed.pos_embed'],
    /a ControlNet of Flux or Stable Diffusion 3/,
    [],
  ],
  ['FLUX.2', ['double_blocks.0.img_attn.qkv.weight', 'single_stream_modulation.lin.weight'], /FLUX\.2/, []],
  [
    'FLUX.2 in diffusers',
    ['single_transformer_blocks.0.attn.to_out.weight', 'double_stream_modulation_img.linear.weight'],
    /FLUX\.2/,
    [],
  ],
  ['Chroma', ['double_blocks.0.img_attn.qkv.weight', 'distilled_guidance_layer.in_proj.bias'], /Chroma/, []],
  [
    'HunyuanVideo',
    ['double_blocks.0.img_attn_qkv.weight', 'txt_in.individual_token_refiner.blocks.0.norm1.weight'],
    /HunyuanVideo/,
    [],
  ],
  ['HiDream', ['double_stream_blocks.0.block.adaLN_modulation.1.bias'], /HiDream/, []],
  ['AuraFlow', ['double_layers.0.attn.w2q.weight', 't_embedder.mlp.0.weight'], /AuraFlow/, []],
  ['Z-Image', ['layers.0.adaLN_modulation.0.weight', 'cap_embedder.0.weight'], /Z-Image/, []],
  [
    'Qwen-Image',
    ['transformer_blocks.0.img_mod.1.weight', 'transformer_blocks.0.attn.add_q_proj.weight'],
    /Qwen-Image/,
    [],
  ],
  ['SANA', ['blocks.0.cross_attn.q_linear.weight', 'blocks.0.attn.qkv.weight'], /SANA/, []],
  [
    'SANA in diffusers',
    [
      'transformer_blocks.0.ff.conv_inverted.weight',
      'transformer_blocks.0.attn1.to_q.weight',
      'caption_norm.weight',
    ],
    /SANA/,
    [],
  ],
  [
    'SD3',
    ['model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight'],
    /^Stable Diffusion 3 or 3\.5$/,
    ['model', 'vae'],
  ],
  [
    'SD3 in diffusers',
    ['transformer_blocks.0.attn.add_q_proj.weight', 'pos_embed.pos_embed'],
    /transformer of Stable Diffusion 3 or 3\.5 with/,
    ['model', 'transformer'],
  ],
  [
    'another joint transformer',
    ['transformer_blocks.0.attn.add_q_proj.weight'],
    /another transformer with joint/,
    [],
  ],
  ['PixArt', ['transformer_blocks.0.attn1.to_q.weight', 'adaln_single.linear.weight'], /PixArt/, []],
  ['Wan', ['blocks.0.self_attn.q.weight', 'head.modulation'], /Wan, Hunyuan or/, []],
  ['inpainting', [`${LDM} [320, 9, 3, 3]`], /a Stable Diffusion checkpoint/, ['model', 'vae']],
  [
    'inpainting UNet',
    ['conv_in.weight [320, 9, 3, 3]', 'down_blocks.0.resnets.0.conv1.weight'],
    /a UNet with the names of diffusers/,
    ['unet'],
  ],
  ['InstructPix2Pix', [`${LDM} [320, 8, 3, 3]`], /InstructPix2Pix/, []],
  ['upscaler', [`${LDM} [320, 7, 3, 3]`], /an upscaler \(7/, []],
  ['depth', [`${LDM} [320, 5, 3, 3]`], /depth map/, []],
  [
    'checkpoint',
    [`${LDM} [320, 4, 3, 3]`, 'first_stage_model.decoder.conv_in.weight [512, 4, 3, 3]'],
    /a Stable Diffusion checkpoint/,
    ['model', 'vae'],
  ],
  [
    'UNet of diffusers',
    ['conv_in.weight [320, 4, 3, 3]', 'down_blocks.0.resnets.0.conv1.weight'],
    /a UNet with the names of diffusers/,
    ['unet'],
  ],
  ['UNet of LDM', ['input_blocks.0.0.weight [320, 4, 3, 3]'], /a UNet with LDM's names/, []],
  [
    'TAESD of diffusers',
    ['encoder.layers.0.weight', 'encoder.layers.1.conv.0.weight', 'decoder.layers.1.weight'],
    /TAESD/,
    [],
  ],
  ['TAESD', ['1.weight', '3.conv.0.weight', '3.conv.0.bias'], /TAESD/, []],
  ['VQModel', ['encoder.conv_in.weight', 'quantize.embedding.weight'], /VQModel/, []],
  [
    'video decoder',
    ['decoder.time_conv_out.weight', 'decoder.conv_in.weight [512, 4, 3, 3]'],
    /decoder of a video model/,
    [],
  ],
  [
    'Flux VAE',
    ['decoder.conv_in.weight [512, 16, 3, 3]', 'encoder.down.0.block.0.conv1.weight'],
    /16 latent channels/,
    ['vae'],
  ],
  [
    'VAE of LDM',
    ['decoder.conv_in.weight [512, 4, 3, 3]', 'encoder.down.0.block.0.conv1.weight'],
    /^an autoencoder, not a whole/,
    ['vae'],
  ],
  [
    'VAE of diffusers',
    ['decoder.conv_in.weight [512, 4, 3, 3]', 'encoder.down_blocks.0.resnets.0.conv1.weight'],
    /^an autoencoder/,
    ['vae'],
  ],
  [
    'CLIP of OpenAI',
    ['visual.conv1.weight', 'transformer.resblocks.0.ln_1.weight', 'text_projection'],
    /^a CLIP, not/,
    ['clip', 'text_encoder'],
  ],
  [
    'CLIP of transformers',
    ['vision_model.embeddings.class_embedding', 'text_model.embeddings.token_embedding.weight'],
    /^a CLIP, not/,
    ['clip', 'text_encoder'],
  ],
  [
    'image tower',
    ['vision_model.embeddings.class_embedding', 'visual_projection.weight'],
    /image tower of a CLIP alone/,
    [],
  ],
  [
    'text encoder',
    ['text_model.encoder.layers.0.self_attn.q_proj.weight'],
    /CLIP's text encoder alone/,
    ['text_encoder'],
  ],
  [
    'text encoder of transformers 5',
    ['encoder.layers.0.self_attn.q_proj.weight', 'embeddings.token_embedding.weight'],
    /CLIP's text encoder alone/,
    ['text_encoder'],
  ],
  ['T5', ['encoder.block.0.layer.0.SelfAttention.q.weight', 'shared.weight'], /T5/, ['text_encoder']],
  ['language model', ['token_embd.weight', 'blk.0.attn_q.weight'], /a language model/, []],
  ['ESRGAN', ['model.0.weight', 'model.1.sub.0.RDB1.conv1.0.weight'], /ESRGAN/, []],
];
const DOORS: Door[] = ['model', 'lora', 'clip', 'vae', 'unet', 'transformer', 'text_encoder', 'motion'];

describe('what a file is', () => {
  it.each(KINDS)('%s', (_, names, what, doors) => {
    const file = fileOf(...names);
    expect(describeFile(file)?.what).toMatch(what);
    for (const door of DOORS) {
      const refused = () => refuseAs(door, file);
      if (doors.includes(door)) expect(refused).not.toThrow();
      else expect(refused).toThrow(/^x\.safetensors: not an? .*: it is [^;\n]+; [^;\n]+/);
    }
  });

  it('is not known of other files', () => {
    for (const names of [
      ['a.weight'],
      ['weight [768]'],
      ['features.0.weight'],
      ['single'],
      ['a.b.c [768]'],
      ['cat-toy [512]'],
      ['cat-toy [1,2,768]'],
    ]) {
      expect(describeFile(fileOf(...names)), String(names)).toBeUndefined();
    }
  });

  it('published names of Stable Diffusion 1.4 are those of its parts', () => {
    const path = new URL('../../../../../fixtures/data/formats-keys.tsv.gz', import.meta.url);
    const rows = gunzipSync(readFileSync(path))
      .toString()
      .split('\n')
      .map((line) => line.split('\t'));
    const namesOf = (table: string, column: number) =>
      rows.filter(([of]) => of === table).map((row) => row[column]);
    expect(describeFile(fileOf(...namesOf('unet', 2)))?.doors).toEqual(['unet']);
    expect(describeFile(fileOf(...namesOf('unet', 1)))?.doors).toEqual(['model', 'vae']);
    expect(describeFile(fileOf(...namesOf('vae', 2)))?.doors).toEqual(['vae']);
    expect(describeFile(fileOf(...namesOf('clip', 2)))?.doors).toEqual(['clip', 'text_encoder']);
  });

  it.each<[string, Door]>([
    [`${PIPELINE}unet/diffusion_pytorch_model.safetensors`, 'unet'],
    [`${PIPELINE}vae/diffusion_pytorch_model.safetensors`, 'vae'],
    [`${PIPELINE}text_encoder/model.safetensors`, 'text_encoder'],
    [`${PIPELINE}clip/model.safetensors`, 'clip'],
    [`${FORMATS}clip-openai.pt`, 'clip'],
    [`${FORMATS}ldm-v1.ckpt`, 'model'],
    [`${FORMATS}ldm-v2/model.ckpt`, 'model'],
    [`${FORMATS}lora-kohya.safetensors`, 'lora'],
    [`${FORMATS}lora-peft.safetensors`, 'lora'],
    [`${FORMATS}lora-old.bin`, 'lora'],
  ])('%s passes where it belongs', async (path, door) => {
    expect(() => refuseAs(door, { path, tensors: new Map() })).not.toThrow();
    const file = await openTensorFile(path);
    expect(describeFile(file)?.doors).toContain(door);
  });
});
