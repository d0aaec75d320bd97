import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { emaName, ldmUNetLayout, ldmUNetModule, ldmUNetName } from './ldm-unet.ts';
import { ldmVaeBlocks, ldmVaeName } from './ldm-vae.ts';
import { loraName, otherMethod } from './lora.ts';
import { openClipParts } from './open-clip.ts';

const table = gunzipSync(
  readFileSync(new URL('../../../../../fixtures/data/formats-keys.tsv.gz', import.meta.url)),
).toString();

/** Pairs of a published checkpoint: the name in its single file, and that of diffusers or transformers. */
function pairs(of: string, prefix = ''): [theirs: string, ours: string][] {
  const rows = table.split('\n').map((line) => line.split('\t'));
  return rows.filter(([name]) => name === of).map(([, theirs, ours]) => [theirs.slice(prefix.length), ours]);
}

describe('the layout of a UNet', () => {
  it('is shown by its first downsampler, or its last layer where it has none', () => {
    const layers = (count: number) =>
      Array.from({ length: count }, (_, i) => `input_blocks.${i}.0.in_layers.0.weight`);
    const others = ['time_embed.0.weight', 'out.0.weight'];
    expect(ldmUNetLayout([...layers(3), ...others])).toEqual({ layersPerBlock: 2 });
    expect(ldmUNetLayout([...others, ...layers(2).toReversed()])).toEqual({ layersPerBlock: 1 });
    const down = (layer: number) => `input_blocks.${layer}.0.op.weight`;
    expect(ldmUNetLayout([...layers(6), down(8), down(4), ...others])).toEqual({ layersPerBlock: 3 });
  });
});

describe('published names', () => {
  it('of the UNet of Stable Diffusion 1.4', () => {
    const all = pairs('unet', 'model.diffusion_model.');
    expect(all).toHaveLength(686);
    const layout = ldmUNetLayout(all.map(([theirs]) => theirs));
    expect(layout).toEqual({ layersPerBlock: 2 });
    for (const [theirs, ours] of all) expect(ldmUNetName(theirs, layout), theirs).toBe(ours);
    expect(emaName('model.diffusion_model.input_blocks.0.0.weight')).toBe(
      'model_ema.diffusion_modelinput_blocks00weight',
    );
  });

  it('of its autoencoder', () => {
    const all = pairs('vae', 'first_stage_model.');
    expect(all).toHaveLength(248);
    const blocks = ldmVaeBlocks(all.map(([theirs]) => theirs));
    expect(blocks).toBe(4);
    for (const [theirs, ours] of all) expect(ldmVaeName(theirs, blocks), theirs).toBe(ours);
  });

  it('of CLIP ViT-B/32', () => {
    const notes: Record<string, object> = {
      '[rows 0..d]': { band: { first: 0, count: 1, of: 3 } },
      '[rows d..2d]': { band: { first: 1, count: 1, of: 3 } },
      '[rows 2d..3d]': { band: { first: 2, count: 1, of: 3 } },
      '(transposed)': { transpose: true },
      '(768x512, transposed)': { transpose: true },
    };
    const all = pairs('clip').filter(([theirs]) => theirs !== '(absent)');
    expect(all).toHaveLength(398);
    for (const [described, ours] of all) {
      const [, theirs, note] = required(/^(\S+)(?: (.+))?$/.exec(described));
      const part = openClipParts(theirs).find(({ name }) => name === ours);
      expect(part, described).toEqual({ name: ours, ...notes[note] });
    }
  });

  it('of what belongs to no network are left out', () => {
    const layout = { layersPerBlock: 2 };
    for (const name of [
      'label_emb.0.0.weight',
      'betas',
      'input_blocks.1.0.constructor.weight',
      'out.9.bias',
      '',
    ]) {
      expect(ldmUNetName(name, layout), name).toBeUndefined();
    }
    for (const name of ['loss.logvar', 'model_ema.decay', 'encoder.mid.attn_1.constructor.weight']) {
      expect(ldmVaeName(name, 4), name).toBeUndefined();
    }
    for (const name of ['input_resolution', 'transformer.resblocks.0.constructor.weight', 'toString']) {
      expect(openClipParts(name), name).toEqual([]);
    }
  });
});

describe('LoRA names', () => {
  it.each([
    [
      'lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight',
      'unet',
      'down_blocks_0_attentions_0_proj_in',
      'down',
    ],
    [
      'lora_te_text_model_encoder_layers_3_mlp_fc1.lora_up.weight',
      'text_encoder',
      'encoder_layers_3_mlp_fc1',
      'up',
    ],
    ['lora_unet_mid_block_resnets_0_conv1.alpha', 'unet', 'mid_block_resnets_0_conv1', 'alpha'],
    ['unet.mid_block.attentions.0.proj_in.lora_A.weight', 'unet', 'mid_block_attentions_0_proj_in', 'down'],
    ['unet.mid_block.attentions.0.proj_in.lora.up.weight', 'unet', 'mid_block_attentions_0_proj_in', 'up'],
    [
      'base_model.model.mid_block.attentions.0.proj_in.lora_B.default.weight',
      'unet',
      'mid_block_attentions_0_proj_in',
      'up',
    ],
    [
      'text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight',
      'text_encoder',
      'encoder_layers_0_self_attn_q_proj',
      'down',
    ],
    [
      'down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight',
      'unet',
      'down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0',
      'down',
    ],
  ])('%s', (name, network, module, part) => {
    expect(loraName(name)).toMatchObject({ network, module, part });
  });

  it.each([
    ['lora_unet_a.hada_w1_a', 'unet', 'a', 'hada_w1_a'],
    ['lora_unet_a.lokr_w2_b', 'unet', 'a', 'lokr_w2_b'],
    ['lora_unet_a.dora_scale', 'unet', 'a', 'dora_scale'],
    ['lora_unet_a.lora_mid.weight', 'unet', 'a', 'mid'],
    ['lora_unet_a.weight', 'unet', 'a', 'factor'],
    ['lora_unet_a.w_norm', 'unet', 'a', 'diff'],
    ['lycoris_mid_block_resnets_0_conv1.diff_b', 'unet', 'mid_block_resnets_0_conv1', 'diff_b'],
    ['lycoris_text_model_encoder_layers_0_mlp_fc1.diff', 'text_encoder', 'encoder_layers_0_mlp_fc1', 'diff'],
    ['lycoris_transformer_blocks_0_attn_to_q.lokr_w1', 'unet', 'transformer_blocks_0_attn_to_q', 'lokr_w1'],
    [
      'lora_transformer_transformer_blocks_0_attn_to_q.alpha',
      'unet',
      'transformer_blocks_0_attn_to_q',
      'alpha',
    ],
    ['diffusion_model.input_blocks.1.1.proj_in.lora_A.weight', 'unet', 'input_blocks_1_1_proj_in', 'down'],
    [
      'text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.lora_B.weight',
      'text_encoder',
      'encoder_layers_0_mlp_fc1',
      'up',
    ],
    [
      'base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight',
      'text_encoder',
      'encoder_layers_0_mlp_fc1',
      'down',
    ],
    ['base_model.model.conv_in.weight', 'unet', 'conv_in', 'weight'],
    ['base_model.model.a.to_out.0.base_layer.bias', 'unet', 'a_to_out_0', 'bias'],
    ['base_model.model.a.lora_magnitude_vector.weight', 'unet', 'a', 'magnitude'],
  ])('%s', (name, network, module, part) => {
    expect(loraName(name)).toMatchObject({ network, module, part });
  });

  it('of other kinds are distinguished', () => {
    for (const name of [
      'lora_unet_a.oft_blocks',
      'lora_unet_a.bias',
      'conv_in.weight',
      'unet.a.ia3_l',
      'lora_unet_a.toString',
      '',
    ]) {
      expect(loraName(name), name).toBeUndefined();
    }
    expect(otherMethod('lora_unet_a.oft_blocks')).toBe('OFT');
    expect(otherMethod('lora_unet_a.alpha')).toBeUndefined();
  });

  it("of LDM's modules lead back to those of diffusers", () => {
    const all = pairs('unet', 'model.diffusion_model.').map((pair) =>
      pair.map((name) => name.replace(/\.(weight|bias)$/, '')),
    );
    for (const [theirs, ours] of all) {
      expect(
        ldmUNetModule(ours, { layersPerBlock: 2 }, (block) => block > 0),
        ours,
      ).toBe(theirs);
    }
    for (const other of [
      'add_embedding.linear_1',
      'mid_block.resnets.0.constructor',
      'down_blocks.0.toString.0.x',
      'conv',
    ])
      expect(
        ldmUNetModule(other, { layersPerBlock: 2 }, () => true),
        other,
      ).toBeUndefined();
  });
});
