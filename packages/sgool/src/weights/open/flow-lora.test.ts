import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of } from '../formats/tensor-views.ts';
import type { ComputedTensor, WeightTensor } from '../formats/weight-source.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { messageOf } from '../testing.ts';
import { applyLora } from './apply-lora.ts';
import { openLora } from './lora.ts';
import { type ModelComponent, openComponent } from './model-folder.ts';

const FILES = new URL('../../../../../fixtures/data/flow-files/', import.meta.url).pathname;

let dir: string;
const models = new Map<string, ModelComponent>();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-flow-lora-'));
  for (const name of ['flux', 'sd3']) models.set(name, await openComponent(`${FILES}${name}/transformer`));
});
afterAll(() => rm(dir, { recursive: true }));

const componentsOf = (name: string) => new Map([['transformer', required(models.get(name))]]);

/** The product of a change, as an engine computes it from its matrices. */
function byMatrices({ lowRank }: ComputedTensor): Float32Array | undefined {
  if (lowRank === undefined) return undefined;
  const { base, up, down, scale } = lowRank;
  const [left, right, out] = [float32Of(up), float32Of(down), Float32Array.from(float32Of(base))];
  const rank = down.shape[0];
  const width = out.length / base.shape[0];
  for (let i = 0; i < out.length; i++) {
    const [row, column] = [Math.floor(i / width), i % width];
    for (let k = 0; k < rank; k++) out[i] += scale * left[row * rank + k] * right[k * width + column];
  }
  return out;
}

function expectClose(actual: ArrayLike<number>, expected: Float32Array, name: string) {
  expect(actual.length, name).toBe(expected.length);
  const error = Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i])));
  expect(error, name).toBeLessThan(1e-6);
}

describe('a LoRA of a flow model', () => {
  it.each([
    ['flux', 'kohya', 'merged-flux'],
    ['flux', 'diffusers', 'merged-flux'],
    ['flux', 'comfy', 'merged-flux'],
    ['flux', 'xlabs', 'merged-flux-xlabs'],
    ['sd3', 'kohya', 'merged-sd3'],
  ])("for %s with %s's names gives the weights that diffusers gives", async (name, naming, merged) => {
    const before = componentsOf(name);
    const lora = await openLora(`${FILES}lora-${name}-${naming}.safetensors`);
    const { weights } = required(applyLora(before, lora).get('transformer'));
    const expected = (await openTensorFile(`${FILES}${merged}.safetensors`)).tensors;
    const own = required(before.get('transformer')).weights.tensors;
    for (const [key, tensor] of weights.tensors) {
      const wanted = expected.get(key);
      if (wanted === undefined) {
        expect(tensor, key).toBe(own.get(key));
        continue;
      }
      expect(tensor.shape, key).toEqual(wanted.shape);
      expectClose(float32Of(tensor), float32Of(wanted), key);
      // An engine may compute it without the joint tensor.
      expectClose(required(byMatrices(tensor as ComputedTensor)), float32Of(wanted), key);
    }
    expect([...expected.keys()].every((key) => weights.has(key))).toBe(true);
  });

  it('has the strength that is asked for', async () => {
    const before = componentsOf('flux');
    const lora = await openLora(`${FILES}lora-flux-kohya.safetensors`);
    const after = required(applyLora(before, lora, { weight: -0.5 }).get('transformer')).weights;
    const key = 'single_transformer_blocks.0.proj_mlp.weight';
    const full = (await openTensorFile(`${FILES}merged-flux.safetensors`)).tensors.get(key);
    const base = float32Of(required(before.get('transformer')).weights.get(key));
    const expected = float32Of(required(full)).map((value, i) => base[i] - 0.5 * (value - base[i]));
    expectClose(float32Of(after.get(key)), expected, key);
  });

  it('may change a joint projection in another way, and its bias', async () => {
    const module = 'lora_unet_single_blocks_0_linear1';
    const diff = Float32Array.from({ length: 7 * 16 * 16 }, (_, i) => (i % 17) / 8);
    const bias = Float32Array.from({ length: 7 * 16 }, (_, i) => i);
    const path = join(dir, 'diff.safetensors');
    await writeSafetensors(path, {
      [`${module}.diff`]: { dtype: 'F32', shape: [112, 16], data: diff },
      [`${module}.diff_b`]: { dtype: 'F32', shape: [112], data: bias },
    });
    const before = required(componentsOf('flux').get('transformer')).weights;
    const after = required(applyLora(componentsOf('flux'), await openLora(path)).get('transformer')).weights;
    const bands: [string, number, number][] = [
      ['attn.to_q', 0, 16],
      ['attn.to_k', 16, 16],
      ['attn.to_v', 32, 16],
      ['proj_mlp', 48, 64],
    ];
    for (const [name, first, rows] of bands) {
      const added = (ending: string) => {
        const [old, now] = [before, after].map((each) =>
          float32Of(each.get(`single_transformer_blocks.0.${name}.${ending}`)),
        );
        return now.map((value, i) => value - old[i]);
      };
      expectClose(added('weight'), diff.slice(first * 16, (first + rows) * 16), name);
      expectClose(added('bias').map(Math.round), bias.slice(first, first + rows), name);
    }
  });

  it('for its text encoders is put where they are', async () => {
    const tensor = (shape: number[]): WeightTensor => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      return { dtype: 'F32', shape, path: 'x', byteLength: data.byteLength, compute: () => data };
    };
    const encoder = (name: string, module: string): ModelComponent => ({
      name,
      dir,
      config: {},
      weights: { path: 'x', ...sourceLike(new Map([[`${module}.weight`, tensor([4, 4])]])) },
    });
    const clip = 'text_model.encoder.layers.0.mlp.fc1';
    const t5 = 'encoder.block.0.layer.0.SelfAttention.q';
    const rows = { dtype: 'F32' as const, shape: [4, 1], data: Float32Array.of(1, 1, 1, 1) };
    const columns = { ...rows, shape: [1, 4] };
    const write = async (name: string, prefixes: [string, string][]) => {
      const path = join(dir, name);
      const parts = prefixes.flatMap(([prefix, module]) => [
        [`${prefix}${module.replaceAll('.', '_')}.lora_up.weight`, rows] as const,
        [`${prefix}${module.replaceAll('.', '_')}.lora_down.weight`, columns] as const,
      ]);
      await writeSafetensors(path, Object.fromEntries(parts));
      return openLora(path);
    };
    const sd3 = new Map([
      ['text_encoder', encoder('text_encoder', clip)],
      ['text_encoder_2', encoder('text_encoder_2', clip)],
      ['text_encoder_3', encoder('text_encoder_3', t5)],
    ]);
    const flux = new Map([
      ['text_encoder', encoder('text_encoder', clip)],
      ['text_encoder_2', encoder('text_encoder_2', t5)],
    ]);
    const changed = (model: Map<string, ModelComponent>, after: ReadonlyMap<string, ModelComponent>) =>
      [...after].filter(([name, component]) => component !== model.get(name)).map(([name]) => name);
    const te3 = await write('te3.safetensors', [['lora_te3_', t5]]);
    expect(changed(sd3, applyLora(sd3, te3))).toEqual(['text_encoder_3']);
    expect(changed(flux, applyLora(flux, te3))).toEqual(['text_encoder_2']);
    // OneTrainer counts those of the model.
    const te2 = await write('te2.safetensors', [
      ['lora_te2_', t5],
      ['lora_transformer_transformer_blocks_0_', 'attn.to_q'],
    ]);
    expect(changed(flux, applyLora(flux, { ...te2, changes: { t5: te2.changes.t5 } }))).toEqual([
      'text_encoder_2',
    ]);
    const both = await write('both.safetensors', [
      ['lora_te1_', clip],
      ['lora_te2_', clip],
      ['lora_te3_', t5],
    ]);
    const after = applyLora(sd3, both, { textEncoderWeight: 2 });
    expect(changed(sd3, after)).toEqual(['text_encoder', 'text_encoder_2', 'text_encoder_3']);
    for (const [, { weights }] of after) {
      expect([...weights.tensors.values()].map((each) => float32Of(each)[0])).toEqual([2]);
    }
    expect(() =>
      applyLora(flux, { ...both, changes: { text_encoder_2: both.changes.text_encoder_2 } }),
    ).toThrow(/the text_encoder_2 has no module encoder_layers_0_mlp_fc1/);
  });

  it('for another model is named for what it is', async () => {
    const lora = await openLora(`${FILES}lora-flux-kohya.safetensors`);
    expect(() => applyLora(componentsOf('sd3'), lora)).toThrow(
      /lora-flux-kohya\.safetensors: it was made for another model \(it is a LoRA for Flux\): the transformer has no module double_blocks_0_/,
    );
    expect(() => applyLora(componentsOf('flux'), lora, { blockWeights: Array(26).fill(1) })).toThrow(
      /weights by block \(lbw\) are for Stable Diffusion 1\.x and 2\.x; this model has other blocks/,
    );
    const wide = join(dir, 'wide.safetensors');
    await writeSafetensors(wide, {
      'lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight': {
        dtype: 'F32',
        shape: [1, 16],
        data: new Float32Array(16),
      },
      'lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight': {
        dtype: 'F32',
        shape: [45, 1],
        data: new Float32Array(45),
      },
    });
    const misfit = openLora(wide).then((each) => applyLora(componentsOf('flux'), each));
    expect(await messageOf(misfit)).toMatch(
      /it was made for another model: .* is \[48,16\], the matrices are/,
    );
  });
});

/** Tensors by name, as a network's. */
function sourceLike(tensors: Map<string, WeightTensor>) {
  return {
    tensors,
    names: () => [...tensors.keys()],
    has: (name: string) => tensors.has(name),
    get: (name: string) => required(tensors.get(name)),
  };
}
