import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openTensorFile } from '../formats/tensor-file.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { FORMATS, PIPELINE } from '../testing.ts';
import { refuseConfig, refusePipeline, unknownKeys } from './known-configs.ts';
import { type Door, describeFile, refuseAs } from './known-files.ts';

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
  ['Flux LoRA', ['transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight'], /LoRA for Flux/, []],
  ['Flux LoRA of kohya', ['lora_unet_double_blocks_0_img_attn_proj.lora_down.weight'], /LoRA for Flux/, []],
  [
    'SD3 LoRA',
    ['transformer.transformer_blocks.0.attn.add_k_proj.lora_A.weight'],
    /LoRA for Stable Diffusion 3/,
    [],
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
  ['Flux', ['double_blocks.0.img_attn.qkv.weight'], /\(Flux\)/, []],
  ['SD3', ['model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight'], /\(Stable Diffusion 3\)/, []],
  ['PixArt', ['transformer_blocks.0.attn1.to_q.weight', 'pos_embed.proj.weight'], /PixArt, Wan/, []],
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
    [],
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
  ['T5', ['encoder.block.0.layer.0.SelfAttention.q.weight', 'shared.weight'], /T5/, []],
  ['language model', ['token_embd.weight', 'blk.0.attn_q.weight'], /a language model/, []],
  ['ESRGAN', ['model.0.weight', 'model.1.sub.0.RDB1.conv1.0.weight'], /ESRGAN/, []],
];
const DOORS: Door[] = ['model', 'lora', 'clip', 'vae', 'unet', 'text_encoder', 'motion'];

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

describe('what a configuration is', () => {
  it.each([
    ['unet', { addition_embed_type: 'text_time' }, /the UNet of Stable Diffusion XL/],
    ['unet', { in_channels: 8 }, /InstructPix2Pix/],
    ['unet', { in_channels: 7 }, /an upscaler/],
    ['unet', { in_channels: 5 }, /depth map/],
    ['unet', { in_channels: 4, class_embed_type: 'projection' }, /unCLIP/],
    ['unet', { addition_embed_type: 'image' }, /Kandinsky/],
    ['unet', { addition_embed_type: 'text' }, /DeepFloyd/],
    ['unet', { _class_name: 'UNet3DConditionModel' }, /a UNet for video/],
    ['unet', { _class_name: 'FluxTransformer2DModel' }, /Flux/],
    ['unet', { quantization_config: { quant_method: 'bitsandbytes' } }, /quantised by bitsandbytes/],
    ['vae', { _class_name: 'AutoencoderTiny' }, /TAESD/],
    ['vae', { _class_name: 'VQModel' }, /codebook/],
    ['vae', { _class_name: 'AutoencoderKL', latent_channels: 16 }, /16 latent channels/],
    ['vae', { _class_name: 'ConsistencyDecoderVAE' }, /consistency decoder/],
    ['text_encoder', { model_type: 't5' }, /T5/],
    ['text_encoder', { model_type: 'clip_vision_model' }, /image tower/],
    ['clip', { model_type: 'siglip' }, /SigLIP/],
    ['clip_b', { model_type: 'clip_text_model' }, /text encoder alone/],
  ])('%s %j', (role, config, message) => {
    expect(() => refuseConfig(role, 'config.json', config)).toThrow(message);
    expect(() => refuseConfig(role, 'config.json', config)).toThrow(
      /^config\.json: .*, which is not supported; \w/,
    );
  });

  const keys = JSON.parse(
    readFileSync(new URL('../../../../../fixtures/data/adapters/network-keys.json', import.meta.url), 'utf8'),
  ) as Record<string, string[]>;
  it.each(['unet', 'vae'])('%s: every parameter of its class is known, any other key is named', (role) => {
    const config = Object.fromEntries(keys[role].map((key) => [key, 1]));
    expect(unknownKeys(role, 'x', { _class_name: 'X', ...config, absent: null })).toEqual([]);
    expect(unknownKeys(role, 'x/config.json', { ...config, brand_new: 2 })).toEqual([
      'x/config.json: the key "brand_new" is not one of diffusers and has no effect',
    ]);
    expect(unknownKeys('text_encoder', 'x', { brand_new: 2 })).toEqual([]);
  });

  it('those that are read pass', () => {
    refuseConfig('unet', 'x', {
      _class_name: 'UNet2DConditionModel',
      in_channels: 4,
      addition_embed_type: null,
    });
    refuseConfig('vae', 'x', { _class_name: 'AutoencoderKL', latent_channels: 4 });
    refuseConfig('text_encoder', 'x', { model_type: 'clip_text_model' });
    refuseConfig('clip', 'x', { model_type: 'clip' });
    refuseConfig('vae', 'x', { _class_name: 'constructor' });
    for (const name of [
      'StableDiffusionPipeline',
      'LatentConsistencyModelPipeline',
      'StableDiffusionImg2ImgPipeline',
    ])
      refusePipeline('x', { _class_name: name });
  });

  it('a motion adapter is one in its own place alone', () => {
    const config = { _class_name: 'MotionAdapter' };
    expect(() => refuseConfig('motion_adapter', 'config.json', config)).not.toThrow();
    expect(() => refuseConfig('unet', 'config.json', config)).toThrow(/a motion adapter of AnimateDiff/);
    expect(() => refuseConfig('unet', 'config.json', { _class_name: 'UNetMotionModel' })).not.toThrow();
  });

  it('keys of a UNet with motion modules are those of its own class', () => {
    const config = { motion_max_seq_length: 32 };
    expect(unknownKeys('unet', 'config.json', { ...config, _class_name: 'UNetMotionModel' })).toEqual([]);
    expect(unknownKeys('unet', 'config.json', config)).toHaveLength(1);
  });
});

describe('what a pipeline is', () => {
  it.each([
    [
      'StableDiffusionXLPipeline',
      /Stable Diffusion XL \(StableDiffusionXLPipeline\), which is not supported; use/,
    ],
    ['StableDiffusion3Pipeline', /Stable Diffusion 3/],
    ['FluxPipeline', /\(Flux\)/],
    ['IFPipeline', /DeepFloyd IF/],
    ['StableCascadeDecoderPipeline', /Stable Cascade/],
    ['AltDiffusionPipeline', /AltDiffusion, whose/],
    [`XL${'x'.repeat(70)}`, /Stable Diffusion XL \(XLx{58}\),/],
  ])('%s', (name, message) => {
    expect(() => refusePipeline('model_index.json', { _class_name: name })).toThrow(message);
    expect(() => refusePipeline('model_index.json', { _class_name: [name] })).not.toThrow();
  });

  it('the kinds of Kandinsky and the name of a quantiser are cut to a length', () => {
    for (const added of ['image', 'text_image', 'image_hint']) {
      expect(() => refuseConfig('unet', 'x', { addition_embed_type: added })).toThrow(/Kandinsky/);
    }
    const method = 'q'.repeat(50);
    expect(() => refuseConfig('unet', 'x', { quantization_config: { quant_method: method } })).toThrow(
      `quantised by ${'q'.repeat(40)},`,
    );
    expect(unknownKeys('unet', 'x', { ['k'.repeat(70)]: 1 })).toEqual([
      expect.stringContaining(`"${'k'.repeat(60)}"`),
    ]);
    expect(unknownKeys('constructor', 'x', { k: 1 })).toEqual([]);
    expect(() => refuseConfig('unet', 'x', { in_channels: '8' })).not.toThrow();
  });
});
