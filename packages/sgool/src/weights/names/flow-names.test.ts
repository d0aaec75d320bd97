import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { partSource, type TensorPart } from '../formats/part-source.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { FLOW_MODELS, flowModelIn } from './flow-models.ts';
import { loraModules, partsByName, type TransformerNaming } from './transformer-naming.ts';

const [SD3, FLUX] = FLOW_MODELS;

/** Names and shapes of a published transformer in diffusers. */
function published(table: string, without = /^$/): Map<string, readonly number[]> {
  const text = gunzipSync(
    readFileSync(new URL('../../../../../fixtures/data/networks-keys.tsv.gz', import.meta.url)),
  ).toString();
  const rows = text.split('\n').map((line) => line.split('\t'));
  return new Map(
    rows
      .filter(([of, name]) => of === table && !without.test(name))
      .map(([, name, shape]) => [name, shape.split('x').map(Number)]),
  );
}

interface FileName {
  readonly name: string;
  readonly part: TensorPart;
}

/** Each tensor of the network, by its name in diffusers, in the file of the training code. */
function inFile(naming: TransformerNaming, names: readonly string[]): Map<string, FileName> {
  const modules = [...loraModules(naming, names)].filter(
    ([module]) => !module.endsWith('.qkv') || module.includes('attn'),
  );
  const owners = new Map(
    modules.flatMap(([module, parts]) => parts.map((part) => [part.name, { name: module, part }])),
  );
  const whole = new Map(Object.entries(naming.tensors ?? {}).map(([theirs, ours]) => [ours, theirs]));
  return new Map(
    names.map((name) => {
      if (whole.has(name)) return [name, { name: required(whole.get(name)), part: { name } }];
      const [, module, end] = required(/^(.+)\.(weight|bias)$/.exec(name));
      const owner = required(owners.get(module), name);
      const ending = /norm\.(query|key)_norm$/.test(owner.name) ? 'scale' : end;
      return [name, { name: `${owner.name}.${ending}`, part: owner.part }];
    }),
  );
}

/** The file that would hold the network, of which nothing but the header is there. */
function fileOf(naming: TransformerNaming, shapes: ReadonlyMap<string, readonly number[]>) {
  const tensors = new Map<string, WeightTensor>();
  for (const [ours, { name, part }] of inFile(naming, [...shapes.keys()])) {
    const [rows, ...rest] = required(shapes.get(ours));
    const { band } = part;
    const shape = band === undefined ? [rows, ...rest] : [(rows / band.count) * band.of, ...rest];
    tensors.set(name, { dtype: 'BF16', shape, path: 'x.safetensors', byteOffset: 0, byteLength: 2 });
  }
  return { path: 'x.safetensors', tensors };
}

/** SHA-256 of the reference's tables: the name in the file, that in diffusers, and which rows or halves. */
const TABLES = [
  ['sd3_medium', SD3, 683, 491, 'e473fb97036a0969d65a26529636fe308b3492b606281953659582fe05bf1792'],
  ['sd35_medium', SD3, 909, 665, '8a948961761269d15639fa529987e1509577603c096af33284dc664af85d3f4e'],
  ['sd35_large', SD3, 1227, 923, '2b1ca725d41f05be08651516a40316d87b15842b6a88b0d3aededfc72957fec6'],
  ['flux_dev', FLUX, 1160, 780, 'e69fc8dc3ed92126a5433617a9e3369985d92c77445fc1a2de62280c7566dbca'],
  ['flux_schnell', FLUX, 1156, 776, 'aefe25e7d3a79b2c0116729180f8ece93a4e86a1ad2bf2cb15e8b99c950483f0'],
] as const;

function shapesOf(table: string) {
  return table === 'flux_schnell'
    ? published('flux_dev_transformer', /guidance_embedder/)
    : published(`${table}_transformer`);
}

describe.each(TABLES)('%s', (table, { naming, inferConfig, scheduler }, count, inOneFile, hash) => {
  const shapes = shapesOf(table);
  const file = fileOf(naming, shapes);

  it('has the published names in its file', () => {
    expect(shapes.size).toBe(count);
    expect(file.tensors.size).toBe(inOneFile);
    const note = ({ band, swap }: TensorPart) =>
      band === undefined ? (swap ? 'swap' : '') : `${band.first}+${band.count}/${band.of}`;
    const lines = [...inFile(naming, [...shapes.keys()])].map(
      ([ours, { name, part }]) => `${name} ${ours} ${note(part)}`,
    );
    expect(createHash('sha256').update(lines.sort().join('\n')).digest('hex')).toBe(hash);
  });

  it('is found there, with or without a prefix, every tensor in its shape', () => {
    const own = required(flowModelIn(file.tensors));
    expect(own.model.naming).toBe(naming);
    const source = partSource(file, partsByName(naming, [...file.tensors.keys()]));
    const found = new Map([...source.tensors].map(([name, { shape }]) => [name, shape]));
    expect(found).toEqual(shapes);
    const whole = new Set([...file.tensors.keys()].map((name) => `model.diffusion_model.${name}`));
    expect(flowModelIn(whole)).toEqual({ model: own.model, prefix: 'model.diffusion_model.' });
    expect(flowModelIn(shapes)?.model).toBe(own.model);
  });

  it('says its configuration by its shapes', () => {
    const source = partSource(file, partsByName(naming, [...file.tensors.keys()]));
    const config = inferConfig(source);
    expect(config).toEqual(CONFIGS[table]);
    expect(scheduler(config)).toEqual({
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
      ...SCHEDULERS[table],
    });
  });
});

const SD3_CONFIG = {
  _class_name: 'SD3Transformer2DModel',
  sample_size: 128,
  patch_size: 2,
  in_channels: 16,
  out_channels: 16,
  num_layers: 24,
  num_attention_heads: 24,
  attention_head_dim: 64,
  joint_attention_dim: 4096,
  pooled_projection_dim: 2048,
  caption_projection_dim: 1536,
  pos_embed_max_size: 192,
  qk_norm: null,
  dual_attention_layers: [] as number[],
};
const FLUX_CONFIG = {
  _class_name: 'FluxTransformer2DModel',
  patch_size: 1,
  in_channels: 64,
  out_channels: 64,
  num_layers: 19,
  num_single_layers: 38,
  num_attention_heads: 24,
  attention_head_dim: 128,
  joint_attention_dim: 4096,
  pooled_projection_dim: 768,
  axes_dims_rope: [16, 56, 56],
};
const CONFIGS: Record<string, object> = {
  sd3_medium: SD3_CONFIG,
  sd35_medium: {
    ...SD3_CONFIG,
    pos_embed_max_size: 384,
    qk_norm: 'rms_norm',
    dual_attention_layers: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  },
  sd35_large: {
    ...SD3_CONFIG,
    num_layers: 38,
    num_attention_heads: 38,
    caption_projection_dim: 2432,
    qk_norm: 'rms_norm',
  },
  flux_dev: { ...FLUX_CONFIG, guidance_embeds: true },
  flux_schnell: { ...FLUX_CONFIG, guidance_embeds: false },
};
const SCHEDULERS: Record<string, object> = {
  sd3_medium: { shift: 3 },
  sd35_medium: { shift: 3 },
  sd35_large: { shift: 3 },
  flux_dev: {
    shift: 3,
    use_dynamic_shifting: true,
    base_shift: 0.5,
    max_shift: 1.15,
    base_image_seq_len: 256,
    max_image_seq_len: 4096,
  },
  flux_schnell: { shift: 1, use_dynamic_shifting: false },
};

describe('names that no transformer has', () => {
  it('have no parts, and blocks are counted without a gap', () => {
    const names = ['double_blocks.0.img_mod.lin.weight', 'double_blocks.4000000000.img_mod.lin.weight'];
    const partsOf = partsByName(FLUX.naming, names);
    expect(partsOf(names[0])).toEqual([{ name: 'transformer_blocks.0.norm1.linear.weight' }]);
    expect(partsOf(names[1])).toEqual([]);
    // The blocks of the other kind, whose names are as long, are not counted.
    expect(partsOf('single_blocks.0.modulation.lin.weight')).toEqual([]);
    for (const name of ['constructor', 'constructor.weight', 'img_in', 'img_in.weight_scale', 'pos_embed']) {
      expect(partsOf(name), name).toEqual([]);
    }
  });
});
