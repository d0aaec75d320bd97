/** LoRA's relatives against PEFT and LyCORIS: fixtures/make/adapters.py. */
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { componentOf } from '../models/components.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { unet } from '../networks/unet/unet.ts';
import { unetConfig } from '../networks/unet/unet-config.ts';
import { Generator } from '../random/generator.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { valuesOf } from '../weights/formats/tensor-views.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { applyLora } from '../weights/open/apply-lora.ts';
import { type LoraChoice, openLora } from '../weights/open/lora.ts';
import { openModel } from '../weights/open/open-model.ts';
import { peftSettings } from '../weights/open/peft-settings.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url).pathname;
const folder = `${data}pipeline`;
const adapters = `${data}adapters`;

let expected: SafetensorsFile;
let dir: string;
beforeAll(async () => {
  expected = await openSafetensors(`${adapters}/expected.safetensors`);
  dir = await mkdtemp(join(tmpdir(), 'sgool-adapters-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** The prediction of the UNet with LoRAs. */
async function prediction(loras: readonly LoraChoice[]): Promise<Float32Array> {
  const { config, weights } = componentOf(await openModel(folder, { loras }), 'unet');
  const graph = trace(
    { sample: { shape: [1, 4, 8, 8] }, timestep: { shape: [1] }, context: { shape: [1, 16, 16] } },
    ({ sample, timestep, context }) => ({
      out: unet(unetConfig(config), networkWeights(weights))({ sample, timestep, context }),
    }),
  );
  const program = await compile(graph, { threads: 1 });
  try {
    const [sample, context] = [await readTensor(expected, 'sample'), await readTensor(expected, 'context')];
    return (await program.run({ sample, timestep: Float32Array.of(981), context })).out as Float32Array;
  } finally {
    await program.dispose();
  }
}

async function errorOf(actual: Float32Array, name: string): Promise<number> {
  const wanted = await readTensor(expected, name);
  const size = Math.max(...wanted.map(Math.abs));
  return Math.max(...wanted.map((value, i) => Math.abs(value - actual[i]))) / size;
}

describe('LyCORIS, in the numbers of its own library, at strength 0.7', () => {
  it.each([
    'locon',
    'locon-cp',
    'loha',
    'loha-cp',
    'lokr',
    'lokr-cp',
    'lokr-both',
    'lokr-full',
    'dora',
    'dora-in',
    'doha',
    'ia3',
    'ia3-in',
    'norm',
    'full',
    'comfy-ldm',
    'kohya-ldm',
  ])('%s', async (name) => {
    const file = `${name}.safetensors`;
    const actual = await prediction([{ path: join(adapters, file), weight: 0.7 }]);
    expect(await errorOf(actual, file)).toBeLessThan(2e-5);
    expect(await errorOf(actual, 'none')).toBeGreaterThan(5e-3);
  });
});

describe('PEFT, in the numbers of its own library', () => {
  it.each([
    'peft-alpha',
    'peft-rslora',
    'peft-patterns',
    'peft-dora',
    'peft-bias',
    'peft-lora-bias',
    'peft-save',
    'peft-conv',
    'peft-loha',
    'peft-lokr',
    'peft-lokr-whole',
    'diffusers-metadata.safetensors',
  ])('%s', async (name) => {
    const actual = await prediction([{ path: join(adapters, name) }]);
    expect(await errorOf(actual, name)).toBeLessThan(2e-5);
    expect(await errorOf(actual, 'none')).toBeGreaterThan(1e-2);
  });

  it('the file inside the folder is the same adapter', async () => {
    const actual = await prediction([{ path: join(adapters, 'peft-alpha/adapter_model.safetensors') }]);
    expect(await errorOf(actual, 'peft-alpha')).toBeLessThan(2e-5);
  });

  it('a folder with unet/ is one, too', async () => {
    await cp(join(adapters, 'peft-alpha'), join(dir, 'both/unet'), { recursive: true });
    expect(await errorOf(await prediction([{ path: join(dir, 'both') }]), 'peft-alpha')).toBeLessThan(2e-5);
  });

  it('without its configuration it is refused, since nothing else says how strong it is', async () => {
    const path = join(dir, 'adapter_model.safetensors');
    await cp(join(adapters, 'peft-alpha/adapter_model.safetensors'), path);
    await expect(openModel(folder, { loras: [{ path }] })).rejects.toThrow(
      /adapter_model\.safetensors: an adapter of PEFT without its adapter_config\.json/,
    );
  });

  it('a folder without an adapter is named', async () => {
    await expect(openModel(folder, { loras: [{ path: tmpdir() }] })).rejects.toThrow(
      /a folder without a LoRA; give the file itself/,
    );
  });
});

describe("every field of PEFT's LoraConfig", () => {
  const { fields, defaults } = JSON.parse(readFileSync(`${adapters}/lora-config.json`, 'utf8')) as {
    fields: string[];
    defaults: Record<string, unknown>;
  };
  const scale = (config: object, path = 'a.b.to_q', rank = 8) =>
    peftSettings({ ...defaults, ...config }, 'x.json').scale(path, rank);

  /** Fields that change the scale. */
  const HONOURED: Record<string, [unknown, number]> = {
    r: [4, 2],
    lora_alpha: [24, 3],
    use_rslora: [true, 8 / Math.sqrt(8)],
    rank_pattern: [{ to_q: 16 }, 0.5],
    alpha_pattern: [{ 'b.to_q': 2 }, 0.25],
  };
  /** Fields whose value makes no difference to a finished adapter, or that its tensors show. */
  const NO_DIFFERENCE: Record<string, unknown> = {
    task_type: 'FEATURE_EXTRACTION',
    peft_type: 'LORA',
    auto_mapping: { base_model_class: 'X' },
    peft_version: '0.1',
    base_model_name_or_path: 'x/y',
    revision: 'main',
    inference_mode: true,
    target_modules: 'all-linear',
    exclude_modules: ['x'],
    lora_dropout: 0.5,
    fan_in_fan_out: true,
    bias: 'all',
    modules_to_save: ['conv_in'],
    init_lora_weights: 'gaussian',
    layers_to_transform: [1],
    layers_pattern: 'layers',
    megatron_core: 'x',
    loftq_config: { loftq_bits: 4 },
    eva_config: { rho: 2 },
    corda_config: { verbose: true },
    lora_ga_config: { scale: 'unit' },
    use_dora: true,
    qalora_group_size: 8,
    runtime_config: { ephemeral_gpu_offload: true },
    lora_bias: true,
    ensure_weight_tying: true,
  };
  const REFUSED: Record<string, unknown> = {
    megatron_config: { x: 1 },
    trainable_token_indices: [1],
    velora_config: { num_groups: 2 },
    alora_invocation_tokens: [1],
    use_qalora: true,
    monteclora_config: { num_samples: 2 },
    layer_replication: [[0, 1]],
    target_parameters: ['x'],
    use_bdlora: { nblocks: 2 },
    arrow_config: { top_k: 1 },
    kasa_config: { beta: 1 },
  };

  it('all are in one of the tables, and the defaults are accepted', () => {
    const known = [HONOURED, NO_DIFFERENCE, REFUSED].flatMap((table) => Object.keys(table));
    expect(known.sort()).toEqual([...fields].sort());
    expect(scale({})).toBe(1);
  });

  it.each(Object.entries(HONOURED))('%s is honoured', (key, [value, wanted]) => {
    expect(
      scale({ [key]: value }, 'a.b.to_q', key === 'r' ? 4 : key === 'rank_pattern' ? 16 : 8),
    ).toBeCloseTo(wanted, 12);
  });
  it.each(Object.entries(NO_DIFFERENCE))('%s makes no difference', (key, value) => {
    expect(scale({ [key]: value })).toBe(1);
  });
  it.each(Object.entries(REFUSED))('%s is refused by name', (key, value) => {
    expect(() => scale({ [key]: value })).toThrow(new RegExp(`^x\\.json: ${key} is not supported, got `));
  });
  it.each(['pissa', 'pissa_niter_16', 'olora', 'corda', 'loftq', 'lora_ga', 'mica'])(
    'init_lora_weights %s is refused, because it changes the model too',
    (value) => {
      expect(() => scale({ init_lora_weights: value })).toThrow(/init_lora_weights "\w+" also changes/);
    },
  );
  it('other types, unknown keys and expressions that never end are refused', () => {
    expect(() => scale({ peft_type: 'VERA' })).toThrow(
      /peft_type is not supported, got "VERA"; LORA, LOHA, LOKR/,
    );
    expect(() => scale({ brand_new: 3 })).toThrow(/brand_new is not supported, got 3/);
    expect(() => scale({ alpha_pattern: { '(a+)+': 3 } })).toThrow(/alpha_pattern has the expression/);
    expect(() => scale({ alpha_pattern: { '(': 3 } })).toThrow(/alpha_pattern has the expression/);
    expect(() => scale({ alpha_pattern: { to_q: 'x' } })).toThrow(/alpha_pattern of "to_q" must be a number/);
    expect(() => scale({ lora_alpha: '8' })).toThrow(/lora_alpha must be a number, got "8"/);
    expect(() => scale({}, 'to_q', 4)).toThrow(/the rank of to_q is 8, but its matrices have rank 4/);
  });
  it('a pattern is a suffix that begins at a dot, and the first that fits counts', () => {
    const alpha_pattern = { q: 1, to_q: 2, 'x|a\\.b\\.to_q': 3 };
    expect(scale({ alpha_pattern })).toBe(0.25);
    expect(scale({ alpha_pattern }, 'to_q')).toBe(0.25);
    expect(scale({ alpha_pattern }, 'x')).toBe(0.375);
    expect(scale({ alpha_pattern }, 'other_to_q')).toBe(1);
  });
});

describe('what is not supported is named', () => {
  const stem = 'lora_unet_mid_block_attentions_0_proj_in';
  const matrix = (...shape: number[]) => ({
    dtype: 'F32' as const,
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  });
  const low = { [`${stem}.lora_down.weight`]: matrix(2, 16), [`${stem}.lora_up.weight`]: matrix(16, 2) };
  const cases: [string, Record<string, ReturnType<typeof matrix>>, RegExp][] = [
    ['OFT', { [`${stem}.oft_blocks`]: matrix(2, 4, 4) }, /oft_blocks is that of OFT, which is not supported/],
    ['GLoRA', { ...low, [`${stem}.a1.weight`]: matrix(2, 2) }, /a1\.weight is that of GLoRA/],
    ['a half of LoHa', { [`${stem}.hada_w1_a`]: matrix(2, 2) }, /has no hada_w1_b; the file is incomplete/],
    ['a half of LoKr', { [`${stem}.lokr_w1`]: matrix(2, 2) }, /has no lokr_w2 or lokr_w2_a/],
    ['two methods at once', { ...low, [`${stem}.hada_w1_a`]: matrix(2, 2) }, /also has hada_w1_a/],
    [
      'a bias where there is none',
      { 'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.diff_b': matrix(16) },
      /changes the bias of .*to_q, which has none/,
    ],
    [
      'a magnitude of another size',
      { ...low, [`${stem}.dora_scale`]: matrix(1, 3) },
      /another model: .*proj_in\.weight/,
    ],
    [
      'a core that does not fit',
      { ...low, [`${stem}.lora_mid.weight`]: matrix(2, 3, 1, 1) },
      /another model/,
    ],
    [
      'the family that it was made for',
      {
        'unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight': matrix(2, 1024),
        'unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight': matrix(16, 2),
      },
      /made for another model \(Stable Diffusion 2\.x\): .*attn2\.to_k\.weight is \[16,16\]/,
    ],
    [
      'a name in a language of its own',
      { 'a.b.strange': matrix(2, 2) },
      /a\.b\.strange is not that of a LoRA; LoRA, LoHa/,
    ],
  ];
  it.each(cases)('%s', async (_, tensors, message) => {
    const path = join(dir, 'case.safetensors');
    await writeSafetensors(path, tensors);
    await expect(openModel(folder, { loras: [{ path }] })).rejects.toThrow(message);
  });

  it('metadata that is not JSON', async () => {
    const path = join(dir, 'metadata.safetensors');
    await writeSafetensors(path, low, { lora_adapter_metadata: '{"unet' });
    await expect(openModel(folder, { loras: [{ path }] })).rejects.toThrow(
      /\(lora_adapter_metadata\): not valid JSON/,
    );
  });

  it('any parts of any shapes end in one line, or are computed', async () => {
    const random = new Generator(11);
    const below = (limit: number) => Math.floor(random.rand([1])[0] * limit);
    const names = [
      'locon-cp',
      'loha',
      'loha-cp',
      'lokr',
      'lokr-cp',
      'lokr-both',
      'dora',
      'ia3',
      'norm',
      'full',
    ];
    const files = await Promise.all(names.map((name) => openTensorFile(`${adapters}/${name}.safetensors`)));
    const { components } = await openModel(folder);
    const path = join(dir, 'fuzz.safetensors');
    const ends = { computed: 0, refused: 0 };
    for (let i = 0; i < 200; i++) {
      const tensors = [...files[i % files.length].tensors].flatMap(([name, { shape }]) => {
        const other = [...files[below(files.length)].tensors.keys()];
        const place = below(25) === 0 ? other[below(other.length)] : name;
        const sizes = shape.map((size) => (below(20) === 0 ? [0, 1, 2, 3, 16][below(5)] : size));
        if (below(30) === 0) sizes.push(below(3));
        return below(40) === 0 ? [] : [[place, matrix(...sizes)] as const];
      });
      if (tensors.length === 0) continue;
      await writeSafetensors(path, Object.fromEntries(tensors));
      try {
        const changed = applyLora(components, await openLora(path)).get('unet');
        for (const tensor of changed?.weights.tensors.values() ?? []) {
          if ('compute' in tensor)
            expect(tensor.compute()).toHaveLength(tensor.shape.reduce((a, b) => a * b, 1));
        }
        ends.computed++;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        expect(error.message).not.toMatch(/[\n\r]/);
        ends.refused++;
      }
    }
    expect(ends.computed).toBeGreaterThan(3);
    expect(ends.refused).toBeGreaterThan(50);
  });

  it('bfloat16 matrices give the same numbers as float32 ones of their values', async () => {
    const { tensors } = await openTensorFile(`${adapters}/locon.safetensors`);
    const write = async (path: string, dtype: 'F32' | 'BF16', from: typeof tensors) => {
      await writeSafetensors(
        path,
        Object.fromEntries(
          [...from].map(([name, x]) => [name, { dtype, shape: x.shape, data: valuesOf(x) }]),
        ),
      );
    };
    const [half, single] = [join(dir, 'bf16.safetensors'), join(dir, 'f32.safetensors')];
    await write(half, 'BF16', tensors);
    await write(single, 'F32', (await openTensorFile(half)).tensors);
    expect(await prediction([{ path: half }])).toEqual(await prediction([{ path: single }]));
  });
});
