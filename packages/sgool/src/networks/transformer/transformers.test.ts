import {
  compile,
  concat,
  full,
  grad,
  mul,
  type Shape,
  sum,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { compareWithFixture, openFixture, readKeys, relativeError } from '../testing.ts';
import { fluxConfig } from './flux-config.ts';
import { fluxTransformer } from './flux-transformer.ts';
import { sd3Config } from './sd3-config.ts';
import { type Sd3States, sd3Transformer, sd3TransformerStates } from './sd3-transformer.ts';

const VARIANTS = [
  { layout: 'fast', checkpointBlocks: false },
  { layout: 'lean', checkpointBlocks: true },
] as const;

describe.each(VARIANTS)('$layout, checkpoints $checkpointBlocks', ({ layout, checkpointBlocks }) => {
  const how = { layout, parameters: !checkpointBlocks };

  it.each(['sd3', 'sd3-dual'])('%s predicts and differentiates as diffusers does', async (name) => {
    const fixture = await openFixture(name);
    const errors = await compareWithFixture(fixture, {
      ...how,
      inputs: ['sample', 'timestep', 'context', 'pooled'],
      network: ({ sample, timestep, context, pooled }, weights) => ({
        prediction: sd3Transformer(sd3Config(fixture.config), weights, { checkpointBlocks })({
          sample,
          timestep,
          context,
          pooled,
        }),
      }),
    });
    for (const [key, error] of Object.entries(errors)) expect(error, key).toBeLessThan(3e-5);
    expect(Object.keys(errors)).toEqual(
      expect.arrayContaining(['prediction', 'gradient:sample', 'gradient:pooled']),
    );
  });

  it.each(['flux', 'flux-guided'])('%s predicts and differentiates as diffusers does', async (name) => {
    const fixture = await openFixture(name);
    const guided = fixture.names.has('guidance');
    const errors = await compareWithFixture(fixture, {
      ...how,
      inputs: ['sample', 'timestep', 'context', 'pooled', ...(guided ? ['guidance'] : [])],
      network: ({ sample, timestep, context, pooled, guidance }, weights) => ({
        prediction: fluxTransformer(fluxConfig(fixture.config), weights, { checkpointBlocks })({
          sample,
          timestep,
          context,
          pooled,
          guidance,
        }),
      }),
    });
    for (const [key, error] of Object.entries(errors)) expect(error, key).toBeLessThan(3e-5);
    expect(Object.keys(errors)).toEqual(
      expect.arrayContaining(['prediction', 'gradient:sample', 'gradient:context']),
    );
  });
});

it.each([
  ['sd3', false],
  ['sd3-dual', true],
])(
  '%s counts an embedding of zeros as often as it follows the words, checkpoints %s',
  async (name, checkpointBlocks) => {
    const fixture = await openFixture(name);
    const network = sd3TransformerStates(sd3Config(fixture.config), fixture.weights, { checkpointBlocks });
    const [batch, , width] = fixture.shape('context') as [number, number, number];
    const inputs = ['sample', 'timestep', 'context', 'pooled'] as const;
    const [specs, feeds] = [{}, {}] as [Record<string, { shape: Shape }>, Record<string, Float32Array>];
    for (const input of inputs) {
      specs[input] = { shape: fixture.shape(input) };
      feeds[input] = (await fixture.array(input)) as Float32Array;
    }
    const graph = trace(specs, (given) => {
      const { sample, timestep, context, pooled } = given;
      const padded = concat([context, full([batch, 7, width], 0)], 1);
      const outputs = (how: string, { velocity, hiddenStates }: Sd3States) => {
        const [slope] = grad(sum(mul(velocity, velocity)), [sample]);
        return { [`${how} velocity`]: velocity, [`${how} slope`]: slope, [`${how} middle`]: hiddenStates[0] };
      };
      return {
        ...outputs('counted', network({ sample, timestep, context, pooled, emptyTokens: 7 })),
        ...outputs('repeated', network({ sample, timestep, context: padded, pooled })),
        ...outputs('without', network({ sample, timestep, context, pooled })),
      };
    });
    const program = await compile(graph);
    const found = (await program.run(feeds)) as Record<string, Float32Array>;
    await program.dispose();
    for (const what of ['velocity', 'slope', 'middle']) {
      expect(relativeError(found[`counted ${what}`], found[`repeated ${what}`]), what).toBeLessThan(3e-5);
      expect(relativeError(found[`without ${what}`], found[`repeated ${what}`]), what).toBeGreaterThan(1e-3);
    }
    // [batch, places, width]: the picture's tokens alone.
    const [, , height, columns] = fixture.shape('sample') as [number, number, number, number];
    const { width: tokenWidth, patch_size: side } = sd3Config(fixture.config);
    expect(found['counted middle']).toHaveLength(batch * (height / side) * (columns / side) * tokenWidth);
  },
);

const ZEROS: Weights = { get: (_, shape) => full(shape, 0), has: () => true };

const SD3 = { joint_attention_dim: 4096, pooled_projection_dim: 2048, attention_head_dim: 64 };
const MEDIUM = { ...SD3, num_layers: 24, num_attention_heads: 24, caption_projection_dim: 1536 };
const DUAL = Array.from({ length: 13 }, (_, i) => i);

/** The weights that a network asks for, by name. */
function weightsOf(context: number, pooled: number, network: Network): Map<string, Shape> {
  const asked = new Map<string, Shape>();
  const weights: Weights = {
    ...ZEROS,
    get(name, shape) {
      asked.set(name, shape);
      return full(shape, 0);
    },
  };
  const inputs = {
    sample: { shape: [1, 16, 4, 4] },
    timestep: { shape: [1] },
    context: { shape: [1, 2, context] },
    pooled: { shape: [1, pooled] },
  };
  trace(inputs, (given) => ({ prediction: network(weights, given) }));
  return asked;
}
type Network = (
  weights: Weights,
  inputs: Record<'sample' | 'timestep' | 'context' | 'pooled', Tensor>,
) => Tensor;

it.each([
  ['sd3_medium_transformer', { ...MEDIUM, pos_embed_max_size: 192 }],
  [
    'sd35_medium_transformer',
    { ...MEDIUM, pos_embed_max_size: 384, qk_norm: 'rms_norm', dual_attention_layers: DUAL },
  ],
  [
    'sd35_large_transformer',
    {
      ...SD3,
      num_layers: 38,
      num_attention_heads: 38,
      caption_projection_dim: 2432,
      pos_embed_max_size: 192,
      qk_norm: 'rms_norm',
    },
  ],
])('%s: asks for every weight of the published checkpoint and no other', async (table, config) => {
  const asked = weightsOf(4096, 2048, (weights, inputs) =>
    sd3Transformer(sd3Config(config), weights)(inputs),
  );
  expect(asked).toEqual(await readKeys(table));
});

it('flux_dev_transformer: asks for every weight of the published checkpoint and no other', async () => {
  const config = fluxConfig({ guidance_embeds: true });
  const asked = weightsOf(4096, 768, (weights, inputs) =>
    fluxTransformer(config, weights)({ ...inputs, guidance: inputs.timestep }),
  );
  expect(asked).toEqual(await readKeys('flux_dev_transformer'));
});

describe('what does not fit', () => {
  const sd3 = { ...MEDIUM, pos_embed_max_size: 4 };
  const fluxOf = (changes = {}) => fluxTransformer(fluxConfig(changes), ZEROS);

  it('is named in the configuration', () => {
    expect(() => sd3Config({ ...MEDIUM, caption_projection_dim: 1535 })).toThrow(
      'transformer config: caption_projection_dim is not supported, got 1535; must be num_attention_heads · attention_head_dim (1536)',
    );
    expect(() => sd3Config({ ...MEDIUM, dual_attention_layers: [24] })).toThrow(
      /must be less than num_layers \(24\)/,
    );
    expect(() => sd3Config({ ...MEDIUM, qk_norm: 'layer_norm' })).toThrow(/qk_norm is not supported/);
    expect(() => fluxConfig({ axes_dims_rope: [16, 56, 54] })).toThrow(
      /must be even and add up to attention_head_dim \(128\)/,
    );
    expect(() => fluxConfig({ patch_size: 2 })).toThrow(/latents are packed before the network/);
    expect(() => fluxConfig({ in_channels: 66 })).toThrow(/must be a multiple of 4/);
  });

  it('is named while tracing', () => {
    const traced = (network: Network, sample: Shape) =>
      trace(
        {
          sample: { shape: sample },
          timestep: { shape: [1] },
          context: { shape: [1, 2, 4096] },
          pooled: { shape: [1, 2048] },
        },
        (inputs) => ({ prediction: network(ZEROS, inputs) }),
      );
    const stable: Network = (weights, inputs) => sd3Transformer(sd3Config(sd3), weights)(inputs);
    expect(() => traced(stable, [1, 16, 10, 4])).toThrow(
      'sd3: a latent must have 1 to 4 whole patches a side, got 5 x 2',
    );
    expect(() => traced(stable, [1, 16, 5, 4])).toThrow('got 2.5 x 2');
    const odd: Network = (_, inputs) => fluxOf()(inputs);
    expect(() => traced(odd, [1, 16, 3, 4])).toThrow('flux: the sides of a latent must be even, got 3 x 4');
    const unguided: Network = (_, inputs) => fluxOf({ guidance_embeds: true })(inputs);
    expect(() => traced(unguided, [1, 16, 4, 4])).toThrow('flux: this network needs guidance embedding');
  });
});
