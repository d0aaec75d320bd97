import { graphCost, type Tensor, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { compareWithFixture, openFixture } from '../testing.ts';
import { crossAttentionLayers } from './cross-attention-layers.ts';
import { type AttentionMaps, unet } from './unet.ts';
import { type UNetConfig, unetConfig } from './unet-config.ts';

const NETWORKS = ['unet-conv', 'unet-linear', 'unet-sd1', 'unet-odd', 'unet-odd-unpadded'] as const;

/** Collects probabilities by the names of their layers. */
function collector(layers: Iterable<string>) {
  const maps: Record<string, Tensor> = {};
  const attentionMaps: AttentionMaps = {
    layers: new Set(layers),
    report(name, probabilities) {
      maps[name] = probabilities;
    },
  };
  return { maps, attentionMaps };
}

describe('cross-attention maps', () => {
  it.each([
    { layout: 'fast', checkpointBlocks: false },
    { layout: 'lean', checkpointBlocks: true },
  ] as const)(
    'are those of diffusers, with their gradients ($layout, checkpoints $checkpointBlocks)',
    async ({ layout, checkpointBlocks }) => {
      const { config, weights } = await openFixture('unet-conv');
      const fixture = { ...(await openFixture('unet-maps')), weights };
      const layers = [...fixture.names].filter((name) => /^[^:]*attn2$/.test(name));
      const errors = await compareWithFixture(fixture, {
        layout,
        parameters: !checkpointBlocks,
        inputs: ['sample', 'timestep', 'context'],
        network: ({ sample, timestep, context }, given) => {
          const { maps, attentionMaps } = collector(layers);
          unet(unetConfig(config), given, { attentionMaps, checkpointBlocks })({ sample, timestep, context });
          return maps;
        },
      });
      for (const [key, error] of Object.entries(errors)) expect(error, key).toBeLessThan(3e-5);
      // Three layers, and the gradients of two inputs; beside them those of four weights.
      expect(Object.keys(errors)).toHaveLength(checkpointBlocks ? 5 : 9);
    },
  );

  it.each(NETWORKS)('have the names, heads and sizes that are said without a trace: %s', async (name) => {
    const fixture = await openFixture(name);
    const config = unetConfig(fixture.config);
    const [, channels, rows, columns] = fixture.shape('sample');
    const layers = crossAttentionLayers(config, rows, columns);
    expect(layers.length).toBeGreaterThan(2);
    const { maps, attentionMaps } = collector(layers.map((layer) => layer.name));
    const shapes = {
      sample: { shape: [1, channels, rows, columns] },
      timestep: { shape: [1] },
      context: { shape: [1, 5, config.cross_attention_dim[0]] },
    };
    trace(shapes, (inputs) => ({
      prediction: unet(config, fixture.weights, { attentionMaps })(inputs),
    }));
    expect(Object.keys(maps)).toEqual(layers.map((layer) => layer.name));
    for (const layer of layers) {
      expect(maps[layer.name].shape).toEqual([1, layer.heads, layer.rows * layer.columns, 5]);
    }
  });

  it('of a layer that the network does not have are refused', async () => {
    const { config, weights } = await openFixture('unet-conv');
    const { attentionMaps } = collector(['down_blocks.7.attn2']);
    expect(() => unet(unetConfig(config), weights, { attentionMaps })).toThrow(
      'unet: no cross-attention down_blocks.7.attn2; there are down_blocks.0.attentions.0.transformer_blocks.0.attn2, ',
    );
  });
});

/** A program whose maps are large enough for the fused kernel: 4 bytes * 2 heads * 4096 positions * 4096 positions. */
const LARGE = { side: 64, tokens: 4096 };

/** Every node of a prediction: operator, attributes, and which tensors it reads and makes, in the order in which they are emitted. */
function nodesOf(config: UNetConfig, weights: Parameters<typeof unet>[1], layers?: readonly string[]) {
  const { side, tokens } = LARGE;
  const shapes = {
    sample: { shape: [1, 4, side, side] },
    timestep: { shape: [1] },
    context: { shape: [1, tokens, config.cross_attention_dim[0]] },
  };
  const options = layers && { attentionMaps: collector(layers).attentionMaps };
  const graph = trace(shapes, (inputs) => ({ prediction: unet(config, weights, options)(inputs) }));
  const nodes = graph.trace.nodes.map(({ op, domain, attributes, inputs, outputs }) => [
    `${domain}.${op}`,
    attributes,
    inputs.map((each) => each?.id),
    outputs.map(({ id }) => id),
  ]);
  return { nodes, cost: graphCost(graph) };
}

it('a program that does not ask for maps is the same, node by node, and one that does pays for those alone', async () => {
  const fixture = await openFixture('unet-conv');
  const config = unetConfig(fixture.config);
  const [first] = crossAttentionLayers(config, LARGE.side, LARGE.side);
  const fused = ({ nodes }: ReturnType<typeof nodesOf>) =>
    nodes.filter(([op]) => op === 'com.microsoft.MultiHeadAttention').length;
  const plain = nodesOf(config, fixture.weights);
  const none = nodesOf(config, fixture.weights, []);
  const one = nodesOf(config, fixture.weights, [first.name]);
  expect(fused(plain)).toBeGreaterThan(1);
  expect(none.nodes).toEqual(plain.nodes);
  expect(fused(one)).toBe(fused(plain) - 1);
  expect(one.cost.activationBytes).toBeGreaterThan(plain.cost.activationBytes);
});
