import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { refuseConfig, refusePipeline, unknownKeys } from './known-configs.ts';

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
    ['unet', { _class_name: 'FluxTransformer2DModel' }, /in the place of a UNet/],
    [
      'transformer',
      { _class_name: 'FluxTransformer2DModel', in_channels: 384 },
      /a picture as part of its prompt \(384 /,
    ],
    [
      'transformer',
      { _class_name: 'FluxTransformer2DModel', in_channels: 128 },
      /a picture as part of its prompt/,
    ],
    ['transformer', { _class_name: 'FluxControlNetModel' }, /ControlNet of Flux/],
    ['transformer', { _class_name: 'SD3ControlNetModel' }, /ControlNet of Stable Diffusion 3/],
    ['transformer', { _class_name: 'Flux2Transformer2DModel' }, /FLUX\.2/],
    ['transformer', { _class_name: 'QwenImageTransformer2DModel' }, /Qwen-Image/],
    ['transformer', { _class_name: 'ZImageTransformer2DModel' }, /Z-Image/],
    ['transformer', { _class_name: 'SanaTransformer2DModel' }, /SANA/],
    ['transformer', { _class_name: 'PixArtTransformer2DModel' }, /PixArt/],
    ['transformer', { quantization_config: { quant_method: 'bitsandbytes' } }, /quantised by bitsandbytes/],
    ['unet', { quantization_config: { quant_method: 'bitsandbytes' } }, /quantised by bitsandbytes/],
    ['vae', { _class_name: 'AutoencoderTiny' }, /TAESD/],
    ['vae', { _class_name: 'VQModel' }, /codebook/],
    ['vae', { _class_name: 'AutoencoderDC' }, /Sana/],
    ['vae', { _class_name: 'ConsistencyDecoderVAE' }, /consistency decoder/],
    ['text_encoder', { model_type: 't5' }, /T5 as the first/],
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
    refuseConfig('vae', 'x', { _class_name: 'AutoencoderKL', latent_channels: 16 });
    refuseConfig('transformer', 'x', { _class_name: 'FluxTransformer2DModel', in_channels: 64 });
    refuseConfig('transformer', 'x', { _class_name: 'SD3Transformer2DModel', in_channels: 16 });
    refuseConfig('text_encoder_2', 'x', { model_type: 't5' });
    refuseConfig('text_encoder_3', 'x', { model_type: 't5' });
    refuseConfig('text_encoder', 'x', { model_type: 'clip_text_model' });
    refuseConfig('clip', 'x', { model_type: 'clip' });
    refuseConfig('vae', 'x', { _class_name: 'constructor' });
    for (const name of [
      'StableDiffusionPipeline',
      'LatentConsistencyModelPipeline',
      'StableDiffusionImg2ImgPipeline',
      'StableDiffusion3Pipeline',
      'FluxPipeline',
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
    ['StableDiffusion3ControlNetPipeline', /a pipeline with a ControlNet/],
    ['FluxControlNetPipeline', /a pipeline with a ControlNet/],
    ['FluxFillPipeline', /Flux with a picture as part of its prompt/],
    ['FluxControlPipeline', /Flux with a picture as part of its prompt/],
    ['FluxKontextPipeline', /Flux Kontext/],
    ['FluxPriorReduxPipeline', /Flux Redux/],
    ['Flux2Pipeline', /FLUX\.2/],
    ['SanaPipeline', /a diffusion transformer or another large model/],
    ['QwenImagePipeline', /a diffusion transformer or another large model/],
    ['ZImagePipeline', /a diffusion transformer or another large model/],
    ['PixArtAlphaPipeline', /a diffusion transformer or another large model/],
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
