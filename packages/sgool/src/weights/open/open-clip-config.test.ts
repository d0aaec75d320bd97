import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openTensorFile } from '../formats/tensor-file.ts';
import { valuesOf } from '../formats/tensor-views.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { FORMATS, messageOf, PIPELINE } from '../testing.ts';
import { openClipFile } from './clip-file.ts';
import { guessActivation, openClipSettings } from './open-clip-config.ts';

/** An OpenCLIP file: the names of OpenAI, not TorchScript. */
let dir: string;
let path: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-openclip-'));
  path = join(dir, 'model.safetensors');
  const { tensors } = await openTensorFile(`${FORMATS}clip-openai.pt`);
  await writeSafetensors(
    path,
    Object.fromEntries(
      [...tensors].map(([name, x]) => [name, { dtype: x.dtype, shape: x.shape, data: valuesOf(x) }]),
    ),
  );
});
afterAll(() => rm(dir, { recursive: true }));

const activations = async (file: string) => {
  const { config, notes } = await openClipFile(file);
  const { text_config: text, vision_config: vision } = config as Record<string, { hidden_act: string }>;
  expect(text.hidden_act).toBe(vision.hidden_act);
  return { activation: text.hidden_act, notes };
};

describe('the activation of a CLIP file', () => {
  it('is said to be assumed where nothing says it', async () => {
    const { activation, notes } = await activations(path);
    expect(activation).toBe('quick_gelu');
    expect(notes).toEqual([
      "model.safetensors: nothing says which activation this CLIP was trained with, OpenAI's quick GELU is assumed; put its open_clip_config.json or config.json beside it to decide",
    ]);
  });

  it.each([
    [{}, 'gelu'],
    [{ quick_gelu: true }, 'quick_gelu'],
    [{ quick_gelu: false }, 'gelu'],
  ])('is that of open_clip_config.json: %j', async (more, wanted) => {
    const config = join(dir, 'open_clip_config.json');
    const parts = {
      embed_dim: 16,
      vision_cfg: { layers: 2, width: 16, patch_size: 8 },
      text_cfg: { heads: 2, layers: 2 },
    };
    await writeFile(config, JSON.stringify({ model_cfg: { ...parts, ...more } }));
    const { activation, notes } = await activations(path);
    expect({ activation, notes }).toEqual({ activation: wanted, notes: undefined });
    expect((await openClipFile(path)).config).toMatchObject({ text_config: { num_attention_heads: 2 } });
    await rm(config);
  });

  it.each([
    [
      { model_cfg: { vision_cfg: { timm_model_name: 'vit' }, text_cfg: {} } },
      /vision_cfg\.timm_model_name is not supported, got "vit"/,
    ],
    [
      { model_cfg: { vision_cfg: {}, text_cfg: { hf_model_name: 'x' } } },
      /text_cfg\.hf_model_name is not supported/,
    ],
    [
      { model_cfg: { vision_cfg: { no_ln_pre: true }, text_cfg: {} } },
      /no_ln_pre is not supported, got true/,
    ],
    [
      { model_cfg: { multimodal_cfg: { width: 1 }, vision_cfg: {}, text_cfg: {} } },
      /model_cfg\.multimodal_cfg/,
    ],
    [
      { model_cfg: { vision_cfg: {}, text_cfg: {} }, preprocess_cfg: { mean: [0.5, 0.5, 0.5] } },
      /preprocess_cfg\.mean is not supported, got \[0\.5/,
    ],
    [{}, /model_cfg with vision_cfg and text_cfg is expected/],
  ])('keys of other models are named: %j', async (content, message) => {
    const config = join(dir, 'open_clip_config.json');
    await writeFile(config, JSON.stringify(content));
    expect(await messageOf(openClipFile(path))).toMatch(message);
    await rm(config);
  });

  it("is that of transformers' configuration beside a file with its names", async () => {
    const file = join(dir, 'hf', 'model.safetensors');
    await cp(join(PIPELINE, 'clip'), join(dir, 'hf'), { recursive: true });
    const { notes } = await openClipFile(file);
    expect(notes).toBeUndefined();
    await rm(join(dir, 'hf', 'config.json'));
    expect((await openClipFile(file)).notes).toHaveLength(1);
  });

  it('an archive of OpenAI needs no word', async () => {
    expect(await activations(`${FORMATS}clip-openai.pt`)).toEqual({
      activation: 'quick_gelu',
      notes: undefined,
    });
  });

  it.each<[string, string | undefined, boolean, string, boolean]>([
    ['/x/ViT-B-32.pt', 'torch', false, 'quick_gelu', false],
    ['/x/vit_b_32-quickgelu-laion400m_e31-d867053b.pt', 'torch', false, 'quick_gelu', false],
    ['/x/vit_b_32-laion2b_e16-af8dbd0c.pth', 'torch', false, 'gelu', false],
    ['/x/ViT-B-32-datacomp.safetensors', undefined, false, 'gelu', false],
    ['/x/open_clip_pytorch_model.bin', 'torch', false, 'gelu', false],
    ['/x/HPS_v2_compressed.pt', 'torch', true, 'gelu', false],
    ['/x/CLIP-ViT-B-32-laion2B-s34B-b79K/model.safetensors', undefined, false, 'gelu', false],
    ['/x/DFN5B-CLIP-ViT-H-14/model.safetensors', undefined, true, 'quick_gelu', false],
    ['/x/model.safetensors', undefined, true, 'gelu', true],
    ['/x/model.safetensors', undefined, false, 'quick_gelu', true],
  ])('%s', (file, format, isWide, activation, isAssumed) => {
    expect(guessActivation(file, format, isWide)).toEqual({ activation, isAssumed });
  });
});

describe('open_clip_config.json', () => {
  const config = () => join(dir, 'open_clip_config.json');
  const settings = async (model: object, more: object = {}) => {
    const parts = { vision_cfg: {}, text_cfg: {} };
    await writeFile(config(), JSON.stringify({ model_cfg: { ...parts, ...model }, ...more }));
    return openClipSettings(path);
  };
  afterEach(() => rm(config(), { force: true }));

  it('says the width of the heads of one tower, and the heads of the other', async () => {
    expect(await openClipSettings(path)).toBeUndefined();
    expect(await settings({})).toEqual({ activation: 'gelu', visionHeadWidth: 64, textHeads: undefined });
    const own = { vision_cfg: { head_width: 104 }, text_cfg: { heads: 16 }, quick_gelu: true };
    expect(await settings(own)).toEqual({ activation: 'quick_gelu', visionHeadWidth: 104, textHeads: 16 });
    for (const heads of [1, 1024, null]) {
      expect((await settings({ text_cfg: { heads } }))?.textHeads).toBe(heads ?? undefined);
    }
  });

  it.each([0, 1025, 1.5, '8'])('a tower of %j heads is refused', async (heads) => {
    expect(await messageOf(settings({ text_cfg: { heads } }))).toMatch(
      /model_cfg\.text_cfg\.heads is not supported, got .*; it must be a whole number from 1 to 1024$/,
    );
  });

  it.each<[string, unknown, unknown]>([
    ['custom_text', false, true],
    ['pool_type', 'tok', 'avg'],
    ['global_average_pool', false, true],
    ['attentional_pool', false, true],
    ['no_causal_mask', false, true],
    ['no_ln_pre', false, true],
    ['embed_cls', false, true],
    ['proj_bias', false, true],
    ['pad_id', 0, 1],
    ['pos_embed_type', 'learnable', 'sin_cos_2d'],
    ['final_ln_after_pool', false, true],
    ['input_patchnorm', false, true],
    ['norm_kwargs', {}, { eps: 1e-6 }],
    ['hf_model_name', null, 'roberta-base'],
  ])('%s is %j', async (key, plain, other) => {
    expect(await settings({ [key]: plain, vision_cfg: { [key]: plain } })).toBeDefined();
    expect(await messageOf(settings({ vision_cfg: { [key]: other } }))).toMatch(
      new RegExp(`model_cfg\\.vision_cfg\\.${key} is not supported, got .*; a plain CLIP`),
    );
    expect(await messageOf(settings({ text_cfg: { [key]: other } }))).toMatch(/model_cfg\.text_cfg\./);
    expect(await messageOf(settings({ [key]: other }))).toMatch(new RegExp(`model_cfg\\.${key} is not`));
  });

  it('has a part for each tower', async () => {
    const said = /model_cfg with vision_cfg and text_cfg is expected; is it that of a CLIP\?$/;
    for (const model of [{ vision_cfg: 3 }, { text_cfg: [] }, { vision_cfg: null }]) {
      expect(await messageOf(settings(model))).toMatch(said);
    }
    expect(await messageOf(settings({}, { model_cfg: 'ViT-B-32' }))).toMatch(said);
  });

  const mean = [0.48145466, 0.4578275, 0.40821073];
  const std = [0.26862954, 0.26130258, 0.27577711];
  it('has the normalisation of CLIP', async () => {
    for (const preprocessing of [undefined, {}, { mean }, { std }, { mean, std, size: 224 }]) {
      expect(await settings({}, { preprocess_cfg: preprocessing })).toBeDefined();
    }
    const off = (values: number[], i: number) => values.with(i, values[i] + 2e-6);
    for (const [key, values] of [
      ['mean', mean],
      ['std', std],
    ] as const) {
      for (const wrong of [
        off(values, 0),
        off(values, 1),
        off(values, 2),
        values.slice(1),
        [...values, 1],
        0.5,
      ]) {
        expect(await messageOf(settings({}, { preprocess_cfg: { [key]: wrong } }))).toMatch(
          new RegExp(`preprocess_cfg\\.${key} is not supported, got .*; that of CLIP is, \\[${values[0]}`),
        );
      }
    }
  });
});

it('a file of nothing that is known is no CLIP', async () => {
  const file = join(dir, 'nothing.safetensors');
  await writeSafetensors(file, { 'a.weight': { dtype: 'F32', shape: [1], data: Float32Array.of(1) } });
  expect(await messageOf(openClipFile(file))).toBe(
    `${file}: not a CLIP: no tensor visual.conv1.weight or vision_model.embeddings.patch_embedding.weight`,
  );
});
