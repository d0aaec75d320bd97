/** Every number of every configuration, set to what no model has: one line within a second, or a value that is legal. */
import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { autoencoderConfig } from './autoencoder/autoencoder-config.ts';
import { clipConfig } from './clip/clip-config.ts';
import { LIMITS, type Limit, type LimitedKey } from './config-limits.ts';
import { motionConfig } from './motion/motion-config.ts';
import { imageRewardConfig } from './preference/image-reward-config.ts';
import { transalnetConfig } from './saliency/transalnet-config.ts';
import { t5Config } from './text/t5-config.ts';
import { clipTextConfig } from './text/text-encoder-config.ts';
import { fluxConfig } from './transformer/flux-config.ts';
import { sd3Config } from './transformer/sd3-config.ts';
import { unetConfig } from './unet/unet-config.ts';

type Parse = (config: unknown, owner?: string) => unknown;
type Json = Record<string, unknown>;

/** Without what is computed from other keys. */
function given({ width: _, ...config }: Json): Json {
  return config;
}

/** Each kind of file, with a configuration that has all of its keys. */
const KINDS: Readonly<Record<string, { parse: Parse; complete: Json }>> = {
  unet: {
    parse: unetConfig,
    complete: {
      ...unetConfig({}),
      sample_size: 64,
      time_cond_proj_dim: 256,
      layers_per_block: 2,
      attention_head_dim: 8,
    },
  },
  vae: { parse: autoencoderConfig, complete: { ...autoencoderConfig({}), shift_factor: 0.1 } },
  text_encoder: { parse: clipTextConfig, complete: { ...clipTextConfig({}) } },
  t5: { parse: t5Config, complete: { ...t5Config({}) } },
  clip: { parse: clipConfig, complete: { ...clipConfig({}) } },
  transalnet: { parse: transalnetConfig, complete: { ...transalnetConfig({}) } },
  sd3: { parse: sd3Config, complete: given(sd3Config({ dual_attention_layers: [0, 1] })) },
  flux: { parse: fluxConfig, complete: given(fluxConfig({})) },
  motion: {
    parse: motionConfig,
    complete: {
      ...motionConfig({}),
      motion_layers_per_block: 2,
      motion_num_attention_heads: 8,
      motion_transformer_layers_per_block: 1,
    },
  },
  'image-reward': { parse: imageRewardConfig, complete: { ...imageRewardConfig({}) } },
};

/** Where the numbers of a configuration are: keys and indices. */
function numbersIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value === 'number') return [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => numbersIn(inner, [...path, key]));
}

/** A copy with one value replaced. */
function replaced(config: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const copy: Json | unknown[] = Array.isArray(config) ? [...config] : { ...(config as Json) };
  (copy as Json)[key] = replaced((config as Json)[key], rest, value);
  return copy;
}

const limitOf = (path: readonly string[]): [LimitedKey, Limit] => {
  const key = path.findLast((part) => !/^\d+$/.test(part)) as LimitedKey;
  return [key, LIMITS[key]];
};

/** What a file may hold in place of a number; 1e999 is how JSON writes an infinity. */
const STRANGE: readonly unknown[] = [
  1e9,
  1e6,
  -1,
  0,
  0.5,
  1e308,
  1e-300,
  JSON.parse('1e999'),
  JSON.parse('-1e999'),
  '64',
  'NaN',
  true,
  [],
  {},
  [1e9],
];

const PATHS = Object.entries(KINDS).flatMap(([kind, { complete }]) =>
  numbersIn(complete)
    // One of two values, not a range.
    .filter(([key]) => key !== 'downsample_padding' && !(key === 'patch_size' && /sd3|flux/.test(kind)))
    .map((path) => [kind, path.join('.'), path] as const),
);

/** Runs a parser: its error, if it throws one, must be a single line of a UserError. */
function refusal(parse: Parse, config: unknown): string | undefined {
  const before = process.memoryUsage().rss;
  const started = performance.now();
  try {
    parse(config, 'config.json');
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    expect(message).toMatch(/^config\.json: \S+ is not supported, got [^\n]*; [^\n]+$/);
    expect(message.length).toBeLessThan(400);
    return message;
  } finally {
    expect(performance.now() - started).toBeLessThan(1000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  }
}

describe('each number', () => {
  it.each(PATHS)('%s: %s', (kind, _, path) => {
    const { parse, complete } = KINDS[kind];
    const [key, limit] = limitOf(path);
    const set = (value: unknown) => refusal(parse, replaced(complete, path, value));
    for (const value of STRANGE) {
      const inside = typeof value === 'number' && value >= limit.min && value <= limit.max;
      const legal = inside && (!limit.isWhole || Number.isInteger(value));
      // A list of numbers takes the place of one for all blocks, and a value inside may not fit other keys.
      if (!legal) expect(set(value), `${key} ${JSON.stringify(value)}`).toContain(path[0]);
      else set(value);
    }
    const beyond = limit.isWhole ? 1 : (limit.max - limit.min) / 1000;
    for (const value of [limit.min - beyond, limit.max + beyond]) expect(set(value)).toContain(path[0]);
    for (const value of [limit.min, limit.max])
      expect(set(value) ?? '').not.toMatch(/must be a? ?(whole )?number/);
  });
});

it('says what a value is and what it may be', () => {
  const said = (config: unknown, parse: Parse = unetConfig) => refusal(parse, config);
  expect(said({ time_cond_proj_dim: 1e9 })).toBe(
    'config.json: time_cond_proj_dim is not supported, got 1000000000; must be a whole number from 4 to 4096 (latent consistency models have 256; an embedding needs 4)',
  );
  expect(said({ block_out_channels: [1e9, 1e9, 1e9, 1e9] })).toContain(
    'block_out_channels.0 is not supported, got 1000000000',
  );
  expect(said({ block_out_channels: new Array(1e6).fill(320) })).toContain(
    'must be a list of 1 to 6 numbers',
  );
  expect(said({ norm_eps: JSON.parse('1e999') })).toContain('norm_eps is not supported, got Infinity');
  expect(said({ layers_per_block: [2, 2, 2, 1e6] })).toContain(
    'layers_per_block.3 is not supported, got 1000000',
  );
  expect(said({ norm_num_groups: 33 })).toContain('block_out_channels is not supported');
  expect(said({ attention_head_dim: 7 })).toContain('must divide');
  expect(said({ transformer_layers_per_block: 64 })).toContain(
    'makes 1344 layers of attention; there must be at most 512',
  );
  expect(said({ norm_num_groups: 33 }, autoencoderConfig)).toContain(
    'must divide each of block_out_channels (64)',
  );
  expect(said({ num_attention_heads: 7 }, clipTextConfig)).toContain('must divide hidden_size (512)');
  expect(said({ vision_config: { num_attention_heads: 7 } }, clipConfig)).toContain(
    'vision_config.num_attention_heads',
  );
  expect(said({ vision_config: { patch_size: 225 } }, clipConfig)).toContain(
    'must be at most image_size (224)',
  );
  expect(said({ vision_config: { image_size: 1024, patch_size: 8 } }, clipConfig)).toContain(
    'must be at most 4096 patches',
  );
  expect(said({ max_length: 513 }, imageRewardConfig)).toContain(
    'must be at most text_config.max_position_embeddings (512)',
  );
  expect(said({ scaling_factor: 1e-300 }, autoencoderConfig)).toContain(
    'got 1e-300; must be a number from 0.001 to 100',
  );
});

describe('the table', () => {
  it('is used for every number of every schema', async () => {
    const folder = new URL('./', import.meta.url);
    const names = (await readdir(folder, { recursive: true })).filter((name) =>
      /\w\/.*-config\.ts$/.test(name),
    );
    expect(names).toHaveLength(Object.keys(KINDS).length);
    for (const name of names) {
      const text = await readFile(new URL(name, folder), 'utf8');
      expect(text, name).not.toMatch(/z\.(number|int|float\w*|coerce|bigint|any|unknown)\(/);
    }
  });

  it('has no limit that no schema uses, and a reason for each', () => {
    const used = new Set(PATHS.map(([, , path]) => limitOf(path)[0]));
    expect(Object.keys(LIMITS).filter((key) => !used.has(key as LimitedKey))).toEqual([]);
    for (const [key, { min, max, why }] of Object.entries(LIMITS)) {
      expect(min, key).toBeLessThanOrEqual(max);
      expect(why, key).toMatch(/\w+ \w+/);
    }
  });
});

it('takes what is published', () => {
  const clipOf = (text: Json, vision: Json, projection_dim: number) => ({
    text_config: text,
    vision_config: vision,
    projection_dim,
  });
  const tower = (
    hidden_size: number,
    intermediate_size: number,
    num_hidden_layers: number,
    num_attention_heads: number,
  ) => ({
    hidden_size,
    intermediate_size,
    num_hidden_layers,
    num_attention_heads,
  });
  const published: readonly [Parse, Json][] = [
    [unetConfig, { sample_size: 64, cross_attention_dim: 768 }],
    [unetConfig, { sample_size: 64, cross_attention_dim: 768, time_cond_proj_dim: 256 }],
    [
      unetConfig,
      {
        sample_size: 96,
        cross_attention_dim: 1024,
        attention_head_dim: [5, 10, 20, 20],
        use_linear_projection: true,
      },
    ],
    [
      autoencoderConfig,
      { block_out_channels: [128, 256, 512, 512], layers_per_block: 2, scaling_factor: 0.18215 },
    ],
    [
      autoencoderConfig,
      { block_out_channels: [128, 256, 512, 512], layers_per_block: 2, scaling_factor: 0.13025 },
    ],
    [
      autoencoderConfig,
      {
        block_out_channels: [128, 256, 512, 512],
        latent_channels: 16,
        scaling_factor: 1.5305,
        shift_factor: 0.0609,
      },
    ],
    [
      autoencoderConfig,
      {
        block_out_channels: [128, 256, 512, 512],
        latent_channels: 16,
        scaling_factor: 0.3611,
        shift_factor: 0.1159,
      },
    ],
    [clipTextConfig, tower(768, 3072, 12, 12)],
    [clipTextConfig, tower(1024, 4096, 23, 16)],
    [clipTextConfig, { ...tower(1280, 5120, 32, 20), projection_dim: 1280, eos_token_id: 2 }],
    [t5Config, { d_model: 512, d_ff: 1024, d_kv: 64, num_heads: 6, num_layers: 8 }],
    [t5Config, { d_model: 1024, d_ff: 65_536, d_kv: 128, num_heads: 128, num_layers: 24 }],
    [clipConfig, clipOf(tower(512, 2048, 12, 8), { ...tower(768, 3072, 12, 12), patch_size: 32 }, 512)],
    [clipConfig, clipOf(tower(768, 3072, 12, 12), { ...tower(1024, 4096, 24, 16), patch_size: 14 }, 768)],
    [
      clipConfig,
      clipOf(
        tower(768, 3072, 12, 12),
        { ...tower(1024, 4096, 24, 16), patch_size: 14, image_size: 336 },
        768,
      ),
    ],
    [clipConfig, clipOf(tower(1024, 4096, 24, 16), { ...tower(1280, 5120, 32, 16), patch_size: 14 }, 1024)],
    [clipConfig, clipOf(tower(1024, 4096, 24, 16), { ...tower(1408, 6144, 40, 16), patch_size: 14 }, 1024)],
    [clipConfig, clipOf(tower(1280, 5120, 32, 20), { ...tower(1664, 8192, 48, 16), patch_size: 14 }, 1280)],
    [
      clipConfig,
      clipOf(
        { ...tower(768, 3072, 12, 12), max_position_embeddings: 248 },
        { ...tower(1024, 4096, 24, 16), patch_size: 14 },
        768,
      ),
    ],
    [transalnetConfig, {}],
    [transalnetConfig, { variant: 'dense' }],
    [imageRewardConfig, {}],
  ];
  for (const [parse, config] of published) expect(() => parse(config)).not.toThrow();
});

it('never fails otherwise, whatever is in the file', () => {
  const value = fc.oneof(fc.constantFrom(...STRANGE), fc.jsonValue(), fc.integer(), fc.double());
  const change = fc.tuple(fc.constantFrom(...PATHS), value);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const [[first]] = changes[0];
      const { parse, complete } = KINDS[first];
      const mine = changes.filter(([[kind]]) => kind === first);
      refusal(
        parse,
        mine.reduce<unknown>((config, [[, , path], put]) => {
          // A change before may have removed the place.
          try {
            return replaced(config, path, put);
          } catch {
            return config;
          }
        }, complete),
      );
    }),
    { numRuns: 300 },
  );
});
