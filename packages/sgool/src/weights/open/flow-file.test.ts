import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { encodeBfloat16 } from '../formats/float16.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of, valuesOf } from '../formats/tensor-views.ts';
import type { WeightSource, WeightTensor } from '../formats/weight-source.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { FLOW_MODELS } from '../names/flow-models.ts';
import { messageOf } from '../testing.ts';
import { openFlowFile } from './flow-file.ts';
import { openComponent } from './model-folder.ts';
import { openModel } from './open-model.ts';
import { singleFilePipeline } from './single-file.ts';

const FILES = new URL('../../../../../fixtures/data/flow-files/', import.meta.url).pathname;
const DATA = new URL('../../../../../fixtures/data/', import.meta.url).pathname;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-flow-'));
});
afterAll(() => rm(dir, { recursive: true }));

const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The same names, shapes and values. */
function expectSame(actual: WeightSource, expected: WeightSource) {
  expect(actual.names().sort()).toEqual(expected.names().sort());
  for (const name of expected.names()) {
    const [a, b] = [actual.get(name), expected.get(name)];
    expect(a.shape, name).toEqual(b.shape);
    expect(Buffer.compare(bytes(valuesOf(a)), bytes(valuesOf(b))), name).toBe(0);
  }
}

type Values = Readonly<Record<string, readonly number[]>>;

/** Writes a file of these shapes, counting up, with what other files hold. */
async function write(
  name: string,
  shapes: Values,
  more: ReadonlyMap<string, WeightTensor> = new Map(),
  metadata: Record<string, string> = {},
) {
  let next = 0;
  const made = Object.entries(shapes).map(([key, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => ((next++ * 37) % 101) / 64);
    return [key, { dtype: 'BF16' as const, shape, data }] as const;
  });
  const copied = [...more].map(([key, tensor]) => {
    const { shape } = tensor;
    return [key, { dtype: 'BF16' as const, shape, data: float32Of(tensor) }] as const;
  });
  const path = join(dir, name);
  await writeSafetensors(path, Object.fromEntries([...made, ...copied]), metadata);
  return path;
}

const LAYER = (width: number) => ({
  'encoder.layers.0.mlp.fc1.weight': [2 * width, width],
  'encoder.layers.0.self_attn.q_proj.weight': [width, width],
});
/** A CLIP's text tower, so far as its configuration is read from it. */
const clipShapes = (prefix: string, width: number): Values => ({
  [`${prefix}text_model.embeddings.token_embedding.weight`]: [9, width],
  [`${prefix}text_model.embeddings.position_embedding.weight`]: [7, width],
  ...Object.fromEntries(
    Object.entries(LAYER(width)).map(([key, shape]) => [`${prefix}text_model.${key}`, shape]),
  ),
});
const t5Shapes = (prefix: string): Values => ({
  [`${prefix}shared.weight`]: [11, 24],
  [`${prefix}encoder.block.0.layer.0.SelfAttention.q.weight`]: [8, 24],
  [`${prefix}encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight`]: [32, 2],
  [`${prefix}encoder.block.0.layer.1.DenseReluDense.wi_0.weight`]: [20, 24],
});
const CLIP_L = 'text_encoders.clip_l.transformer.';
const CLIP_G = 'text_encoders.clip_g.transformer.';
const T5 = 'text_encoders.t5xxl.transformer.';
const REQUIRED = {
  sd3: ['transformer', 'vae', 'text_encoder', 'text_encoder_2'],
  flux: ['transformer', 'vae', 'text_encoder', 'text_encoder_2'],
};
const FLUX = { config: `${FILES}flux` };

/** A folder with a tokenizer of a kind. */
async function tokenizer(name: string, kind: 'CLIP' | 'T5') {
  const place = join(dir, name);
  await mkdir(place, { recursive: true });
  if (kind === 'T5') await writeFile(join(place, 'spiece.model'), 'pieces');
  else await cp(`${DATA}pipeline/tokenizer`, place, { recursive: true });
  return place;
}

describe('the transformer of a single file', () => {
  it.each([
    ['sd3', ['norm_out.linear', 'transformer_blocks.1.norm1_context.linear']],
    ['flux', ['norm_out.linear']],
  ])('%s is that of the folder, and stays in the file but for %s', async (name, swapped) => {
    const model = await openModel(`${FILES}${name}.safetensors`, { config: `${FILES}${name}` });
    const { weights, notes } = required(model.components.get('transformer'));
    expectSame(weights, (await openComponent(`${FILES}${name}/transformer`)).weights);
    expect(notes).toBeUndefined();
    for (const [tensor, found] of weights.tensors) {
      expect('byteOffset' in found, tensor).toBe(!swapped.some((each) => tensor.startsWith(`${each}.`)));
    }
  });

  it('is found under the names of diffusers as well', async () => {
    for (const name of ['sd3', 'flux']) {
      const path = `${FILES}${name}/transformer/diffusion_pytorch_model.safetensors`;
      const model = await openModel(path, { config: `${FILES}${name}` });
      expectSame(
        required(model.components.get('transformer')).weights,
        (await openComponent(`${FILES}${name}/transformer`)).weights,
      );
    }
  });

  it('says its configuration by its shapes', async () => {
    const { components, schedulerConfig, modelIndex } = await openModel(`${FILES}sd3.safetensors`);
    const folder = await openComponent(`${FILES}sd3/transformer`);
    const { sample_size: _, ...config } = required(components.get('transformer')).config;
    expect(folder.config).toMatchObject(config);
    expect(schedulerConfig).toMatchObject({ _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 });
    expect(modelIndex).toEqual({ _class_name: 'StableDiffusion3Pipeline' });
    expect(await messageOf(openModel(`${FILES}flux.safetensors`))).toMatch(
      /heads of 16 channels, and nothing says how they are rotated .*; give a folder with transformer\/config\.json with the option config/,
    );
  });

  it('in 8-bit floats has the scales of its rows', async () => {
    const { tensors } = await openTensorFile(`${FILES}flux.safetensors`);
    const name = 'double_blocks.0.img_attn.qkv.weight';
    const path = join(dir, 'flux-fp8.safetensors');
    const values = float32Of(required(tensors.get(name)));
    // Powers of two are the same in 8 bits; 0x38 is 1 in E4M3.
    const others = [...tensors].filter(([key]) => key !== name);
    const parts: Buffer[] = [Buffer.alloc(values.length, 0x38), Buffer.from(Float32Array.of(0.25).buffer)];
    const entries: Record<string, object> = {
      [name]: { dtype: 'F8_E4M3', shape: [48, 16], data_offsets: [0, values.length] },
      'double_blocks.0.img_attn.qkv.scale_weight': {
        dtype: 'F32',
        shape: [],
        data_offsets: [values.length, values.length + 4],
      },
      scaled_fp8: { dtype: 'F8_E4M3', shape: [0], data_offsets: [values.length + 4, values.length + 4] },
    };
    let at = values.length + 4;
    for (const [key, tensor] of others) {
      const data = bytes(encodeBfloat16(float32Of(tensor)));
      parts.push(data);
      entries[key] = { dtype: 'BF16', shape: tensor.shape, data_offsets: [at, at + data.length] };
      at += data.length;
    }
    const text = Buffer.from(JSON.stringify(entries));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([size, text, ...parts]));
    const { weights } = required((await openModel(path, FLUX)).components.get('transformer'));
    const key = weights.get('transformer_blocks.0.attn.to_k.weight');
    expect(key.shape).toEqual([16, 16]);
    expect([...float32Of(key)].every((value) => value === 0.25)).toBe(true);
  });

  it('is named where a tensor is not one of it', async () => {
    const { tensors } = await openTensorFile(`${FILES}flux.safetensors`);
    const path = await write('odd.safetensors', { 'brand_new.weight': [2], 'other.bias': [3] }, tensors);
    const { notes } = required((await openModel(path, FLUX)).components.get('transformer'));
    expect(notes).toEqual([
      `${path}: the tensor brand_new.weight and 1 more are not of this network and have no effect`,
    ]);
    const one = await write('odd-one.safetensors', { 'brand_new.weight': [2] }, tensors);
    expect(required((await openModel(one, FLUX)).components.get('transformer')).notes).toEqual([
      `${one}: the tensor brand_new.weight is not of this network and has no effect`,
    ]);
  });
});

describe('the other networks of a single file', () => {
  it('are found with it: autoencoder and text encoders', async () => {
    const { tensors } = await openTensorFile(`${FILES}sd3.safetensors`);
    const shapes = {
      ...clipShapes(CLIP_L, 8),
      [`${CLIP_L}text_model.embeddings.position_ids`]: [7],
      ...clipShapes(CLIP_G, 12),
      [`${CLIP_G}text_projection.weight`]: [12, 12],
      ...t5Shapes(T5),
    };
    const path = await write('all.safetensors', shapes, tensors);
    await tokenizer('tokenizer', 'CLIP');
    await tokenizer('tokenizer_3', 'T5');
    const model = await openModel(path, { required: REQUIRED.sd3 });
    expect([...model.components.keys()]).toEqual([
      'transformer',
      'vae',
      'text_encoder',
      'text_encoder_2',
      'text_encoder_3',
    ]);
    const vae = required(model.components.get('vae'));
    const folder = await openComponent(`${FILES}sd3/vae`);
    expectSame(vae.weights, folder.weights);
    expect(vae.config).toMatchObject({
      latent_channels: 16,
      scaling_factor: 1.5305,
      shift_factor: 0.0609,
      use_quant_conv: false,
      use_post_quant_conv: false,
    });
    const configOf = (name: string) => required(model.components.get(name)).config;
    expect(configOf('text_encoder')).toMatchObject({
      hidden_size: 8,
      hidden_act: 'quick_gelu',
      projection_dim: 8,
    });
    expect(
      required(model.components.get('text_encoder')).weights.has('text_model.embeddings.position_ids'),
    ).toBe(false);
    expect(configOf('text_encoder_2')).toMatchObject({
      hidden_size: 12,
      hidden_act: 'gelu',
      projection_dim: 12,
    });
    expect(configOf('text_encoder_3')).toEqual({
      architectures: ['T5EncoderModel'],
      model_type: 't5',
      vocab_size: 11,
      d_model: 24,
      d_kv: 4,
      d_ff: 20,
      num_layers: 1,
      num_heads: 2,
      relative_attention_num_buckets: 32,
      relative_attention_max_distance: 128,
      feed_forward_proj: 'gated-gelu',
      layer_norm_epsilon: 1e-6,
    });
    // One tokenizer of CLIP serves both; the second pads with "!".
    expect([...model.tokenizers]).toEqual([
      ['tokenizer', { dir: join(dir, 'tokenizer') }],
      ['tokenizer_2', { dir: join(dir, 'tokenizer'), config: { pad_token: '!' } }],
      ['tokenizer_3', { dir: join(dir, 'tokenizer_3') }],
    ]);
  });

  it('come from elsewhere, each put where the model has one of its kind', async () => {
    const clip = await write('clip_l.safetensors', clipShapes('', 8));
    const t5 = await write('t5xxl.safetensors', t5Shapes(''));
    const { tensors } = await openTensorFile(`${FILES}sd3.safetensors`);
    const prefix = 'first_stage_model.';
    const own = [...tensors].filter(([name]) => name.startsWith(prefix));
    const ae = await write(
      'ae.safetensors',
      {},
      new Map(own.map(([name, x]) => [name.slice(prefix.length), x])),
    );
    const tokenizers = [await tokenizer('clip-words', 'CLIP'), await tokenizer('t5-pieces', 'T5')];
    const model = await openModel(`${FILES}flux.safetensors`, {
      ...FLUX,
      vae: ae,
      textEncoders: [t5, clip],
      tokenizer: tokenizers,
      required: REQUIRED.flux,
    });
    const configOf = (name: string) => required(model.components.get(name)).config;
    expect(configOf('text_encoder')).toMatchObject({ hidden_size: 8, model_type: 'clip_text_model' });
    expect(configOf('text_encoder_2')).toMatchObject({ d_model: 24, model_type: 't5' });
    expect(configOf('vae')).toMatchObject({
      latent_channels: 16,
      scaling_factor: 0.3611,
      shift_factor: 0.1159,
    });
    expectSame(
      required(model.components.get('vae')).weights,
      (await openComponent(`${FILES}sd3/vae`)).weights,
    );
    expect([...model.tokenizers]).toEqual([
      ['tokenizer', { dir: tokenizers[0] }],
      ['tokenizer_2', { dir: tokenizers[1] }],
    ]);
  });
});

describe('a tokenizer for the folder of a flow model', () => {
  it('gets the padding of its text encoder', async () => {
    const words = await tokenizer('other-words', 'CLIP');
    const folder = join(dir, 'sd3-folder');
    await cp(`${FILES}sd3`, folder, { recursive: true });
    await writeFile(join(folder, 'model_index.json'), '{"_class_name":"StableDiffusion3Pipeline"}');
    const { tokenizers } = await openModel(folder, {
      required: ['transformer', 'vae'],
      tokenizer: words,
    });
    expect([...tokenizers].filter(([, { dir }]) => dir === words)).toEqual([
      ['tokenizer', { dir: words }],
      ['tokenizer_2', { dir: words, config: { pad_token: '!' } }],
    ]);
  });
});

describe('what a file of a flow model lacks', () => {
  it('is said in one line with the options that give it', async () => {
    const path = `${FILES}flux.safetensors`;
    expect(await messageOf(openModel(path, { ...FLUX, required: REQUIRED.flux }))).toBe(
      `${path}: it has no autoencoder, no CLIP-L text encoder, no T5 text encoder; give what is missing with the option vae (a file such as ae.safetensors, or a folder) and text-encoders (clip_l.safetensors, t5xxl_fp16.safetensors)`,
    );
    const sd3 = `${FILES}sd3.safetensors`;
    expect(await messageOf(openModel(sd3, { required: REQUIRED.sd3 }))).toBe(
      `${sd3}: it has no CLIP-L text encoder, no CLIP-G text encoder; give what is missing with the option text-encoders (clip_l.safetensors, clip_g.safetensors)`,
    );
    // Those who only look at a file need not give the rest.
    expect((await openModel(sd3)).components.size).toBe(2);
    expect(await openModel(sd3)).not.toHaveProperty('embeddings');
  });

  it('is a tokenizer of the right kind for each text encoder', async () => {
    const { tensors } = await openTensorFile(`${FILES}sd3.safetensors`);
    await mkdir(join(dir, 'alone'));
    const shapes = { ...clipShapes(CLIP_L, 8), ...clipShapes(CLIP_G, 12), ...t5Shapes(T5) };
    const path = await write('alone/sd3.safetensors', shapes, tensors);
    const [clip, t5] = [await tokenizer('words', 'CLIP'), await tokenizer('pieces', 'T5')];
    const open = (given?: string | string[]) => openModel(path, { required: REQUIRED.sd3, tokenizer: given });
    expect(await messageOf(open())).toMatch(
      /no tokenizer for its CLIP-L text encoder, expected in .*alone\/tokenizer; give a folder of a CLIP with vocab\.json/,
    );
    expect(await messageOf(open(clip))).toMatch(
      /no tokenizer for its T5 text encoder, expected in .*alone\/tokenizer_3; give a folder of a T5 .* with the option tokenizer$/,
    );
    expect(await messageOf(open(t5))).toMatch(/no tokenizer for its CLIP-L text encoder/);
    expect((await open([t5, clip])).tokenizers.get('tokenizer_3')).toEqual({ dir: t5 });
    expect(await messageOf(open(FILES))).toMatch(/has no tokenizer; give a folder with tokenizer\.json/);
    const without = openModel(`${FILES}flux.safetensors`, { ...FLUX, tokenizer: t5 });
    expect((await without).tokenizers.get('tokenizer_2')?.dir).toBe(t5);
    const sd1 = openModel(`${DATA}formats/ldm-v1.ckpt`, { tokenizer: t5 });
    expect(await messageOf(sd1)).toBe(`tokenizer: ${t5} is that of a T5, which this model does not have`);
  });
});

describe('a part that does not fit', () => {
  it('is named: a text encoder of another kind, two of one kind, another file', async () => {
    const flux = `${FILES}flux.safetensors`;
    const clip = await write('clip_l.safetensors', clipShapes('', 8));
    const wide = await write('clip_g.safetensors', {
      'text_model.embeddings.token_embedding.weight': [2, 1280],
      'text_model.embeddings.position_embedding.weight': [2, 1280],
      'text_model.encoder.layers.0.mlp.fc1.weight': [2, 1280],
      'text_model.encoder.layers.0.self_attn.q_proj.weight': [1, 1],
    });
    const given = (...textEncoders: string[]) => messageOf(openModel(flux, { ...FLUX, textEncoders }));
    expect(await given(wide)).toBe(`text encoders: ${wide} is a CLIP-G; this model has CLIP-L, T5`);
    expect(await given(clip, clip)).toBe(
      `text encoders: ${clip} and ${clip} are both a CLIP-L; give one of them`,
    );
    expect(await given(`${FILES}sd3/vae/diffusion_pytorch_model.safetensors`)).toMatch(
      /not a text encoder of .*: it is an autoencoder of Flux or Stable Diffusion 3/,
    );
    expect(await given(dir)).toMatch(/has no text encoder; give files such as clip_l\.safetensors/);
    const sd1 = openModel(`${DATA}formats/ldm-v1.ckpt`, { textEncoders: [clip] });
    expect(await messageOf(sd1)).toMatch(
      /only Stable Diffusion 3 and Flux take text encoders from elsewhere/,
    );
    const { components } = await openModel(`${FILES}sd3.safetensors`, { textEncoders: [wide] });
    expect(components.get('text_encoder_2')?.config).toMatchObject({
      hidden_size: 1280,
      num_attention_heads: 20,
    });
  });

  it('is named: an autoencoder of other latents', async () => {
    const [wide, narrow] = [`${FILES}sd3/vae`, `${DATA}pipeline/vae`];
    expect(await messageOf(openModel(`${DATA}pipeline`, { vae: wide }))).toBe(
      `${wide}: an autoencoder with 16 latent channels; this model needs one with 4`,
    );
    expect(await messageOf(openModel(`${FILES}sd3.safetensors`, { vae: narrow }))).toBe(
      `${narrow}: an autoencoder with 4 latent channels; this model needs one with 16`,
    );
  });

  it('is named: a T5 of the first version', async () => {
    const old = { ...t5Shapes('') };
    const path = await write('t5-v1.safetensors', {
      ...Object.fromEntries(Object.entries(old).filter(([name]) => !name.includes('wi_0'))),
      'encoder.block.0.layer.1.DenseReluDense.wi.weight': [20, 24],
    });
    expect(await messageOf(openModel(`${FILES}flux.safetensors`, { ...FLUX, textEncoders: [path] }))).toMatch(
      /a T5 of the first version, which is not supported; use one of version 1\.1/,
    );
  });
});

it('takes no embeddings', async () => {
  const embeddings = [{ path: `${DATA}embeddings/web.pt` }];
  expect(await messageOf(openModel(`${FILES}sd3.safetensors`, { embeddings }))).toMatch(
    /embeddings \(textual inversion\) are for Stable Diffusion 1\.x and 2\.x; the text encoders of sd3\.safetensors take none/,
  );
});

describe('a flow model that is not read', () => {
  it('is named: one with weights of another kind of file', async () => {
    const { tensors } = await openTensorFile(`${FILES}flux.safetensors`);
    const [[, any]] = tensors;
    const file = {
      path: 'x.safetensors',
      metadata: {},
      tensors: new Map([...tensors, ['double_blocks.0.img_attn.qkv.lora_down.weight', any]]),
    };
    const [, flux] = FLOW_MODELS;
    expect(await messageOf(openFlowFile(file, file.path, { model: flux, prefix: '' }))).toMatch(
      /^x\.safetensors: not a checkpoint of .*: it is a LoRA/,
    );
  });

  const copy = async (name: string, metadata = {}) => {
    const { tensors } = await openTensorFile(`${FILES}flux.safetensors`);
    return write(name, {}, tensors, metadata);
  };

  it('is named: Kontext by its name or metadata', async () => {
    for (const path of [
      await copy('flux1-Kontext-dev.safetensors'),
      await copy('edit.safetensors', { 'modelspec.title': 'FLUX.1 Kontext [dev]' }),
    ]) {
      expect(await messageOf(openModel(path, FLUX))).toBe(
        `${path}: Flux Kontext, which edits pictures, is not supported; use Flux.1 dev or schnell`,
      );
    }
  });

  it('is named: GGUF, and weights of bitsandbytes', async () => {
    const path = await copy('flux-q4.safetensors', { format: 'gguf' });
    expect(await messageOf(openModel(path, FLUX))).toMatch(
      /a GGUF file of a flow model, which is not supported; use/,
    );
    const nf4 = await write('flux-nf4.safetensors', {
      'double_blocks.0.img_attn.qkv.weight': [8, 1],
      'double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__nf4': [4],
    });
    expect(await messageOf(openModel(nf4))).toMatch(
      /quantised by bitsandbytes .*, which is not supported; use/,
    );
  });

  it('has no prediction type', async () => {
    const path = `${FILES}flux.safetensors`;
    expect(await messageOf(openModel(path, { ...FLUX, predictionType: 'epsilon' }))).toMatch(
      /a flow model predicts its velocity, got the prediction type epsilon; leave it out/,
    );
  });

  it('has its class as that of a pipeline', async () => {
    expect(await singleFilePipeline(`${FILES}flux.safetensors`)).toBe('FluxPipeline');
    expect(await singleFilePipeline(`${FILES}sd3.safetensors`)).toBe('StableDiffusion3Pipeline');
    expect(await singleFilePipeline(`${DATA}formats/ldm-v1.ckpt`)).toBe('StableDiffusionPipeline');
  });
});
