import { trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import type { CrossAttention, MapsComputation } from '../../models/cross-attention.ts';
import type { AttentionLossName } from '../../request/settings/attention.ts';
import { attentionObjective } from './attention-objective.ts';
import { parseRequirement } from './requirement.ts';
import { layersUpTo } from './word-maps.ts';

const layer = (name: string, rows: number, columns = rows) => ({ name, heads: 2, rows, columns });
const LAYERS = [layer('down', 32), layer('down 1', 16), layer('mid', 8), layer('up', 16)];
const PIECES = ['a', 'red', 'ted', 'dy', 'and', 'a', 'blue', 'cat'];

/** "a red teddy and a blue cat" in a conditioning of 12 tokens; teddy has two pieces. What is asked for is noted. */
function fakeAttention() {
  const computations: MapsComputation[] = [];
  const inputs: Readonly<Record<string, Float32Array>>[] = [];
  const places: Record<string, number[][]> = {
    red: [[2]],
    teddy: [[3, 4]],
    blue: [[7]],
    cat: [[8]],
    a: [[1], [6]],
  };
  const attention: CrossAttention = {
    layers: LAYERS,
    tokens: 12,
    pieces: PIECES,
    occurrences: (word) => places[word] ?? [],
    program(computation) {
      computations.push(computation);
      return async (_latent, _timestep, given = {}) => {
        inputs.push(given);
        return {
          loss: Float32Array.of(0.25),
          presence: Float32Array.of(0.75),
          gradient: Float32Array.of(1, -2),
        };
      };
    },
  };
  return { attention, computations, inputs };
}

const make = (require: string, loss: AttentionLossName, resolution = 16) => {
  const fake = fakeAttention();
  const requirement = parseRequirement(require);
  return {
    ...fake,
    objective: attentionObjective(fake.attention, { loss, requirement, resolution, who: 'require' }),
  };
};
const latent = Float64Array.of(0, 0);

it('gives loss, presence and gradient of the network', async () => {
  const { objective } = make('teddy and cat', 'attend-and-excite');
  expect(objective.layers.map(({ name }) => name)).toEqual(['down 1', 'up']);
  expect(objective.hasPresence).toBe(true);
  const result = await objective.evaluate(latent, 500);
  expect(result).toEqual({ loss: 0.25, presence: 0.75, gradient: Float64Array.of(1, -2) });
  expect(make('cat: blue', 'predicated').objective.hasPresence).toBe(false);
});

it('shares each word among its tokens, and the rest of the prompt among all that is in no pair', async () => {
  const { objective, inputs, computations } = make('teddy: red; cat: blue', 'syngen');
  await objective.evaluate(latent, 500);
  const row = (shares: Record<number, number>) => Array.from({ length: 12 }, (_, at) => shares[at] ?? 0);
  // red, teddy, blue, cat
  expect([...inputs[0].words]).toEqual(
    [row({ 2: 1 }), row({ 3: 0.5, 4: 0.5 }), row({ 7: 1 }), row({ 8: 1 })].flat(),
  );
  // a, and, a
  const others = row({ 1: Math.fround(1 / 3), 5: Math.fround(1 / 3), 6: Math.fround(1 / 3) });
  expect([...inputs[0].unrelated]).toEqual([...others, ...others]);
  expect(computations[0].inputs).toEqual({ words: { shape: [4, 12] }, unrelated: { shape: [2, 12] } });

  const given = async (require: string, loss: AttentionLossName) => {
    const one = make(require, loss);
    await one.objective.evaluate(latent, 500);
    return Object.keys(one.inputs[0]);
  };
  expect(await given('teddy: red', 'syngen')).toEqual(['words', 'unrelated']);
  expect(await given('teddy and cat', 'attend-and-excite')).toEqual(['words']);
});

it('traces the loss, with the presence of losses that have one, and gets no shares where nothing belongs to another', () => {
  const traced = (require: string, loss: AttentionLossName) => {
    const { computations } = make(require, loss);
    const [{ inputs, outputs, layers }] = computations;
    const maps = Object.fromEntries(
      layers.map(({ name, heads, rows, columns }) => [name, { shape: [heads, rows, columns, 12] }]),
    );
    const graph = trace({ ...maps, ...inputs }, (all) =>
      outputs(
        layers.map(({ name }) => all[name]),
        all,
      ),
    );
    return { inputs: Object.keys(inputs ?? {}), outputs: [...graph.outputs.keys()] };
  };
  expect(traced('teddy and cat', 'attend-and-excite')).toEqual({
    inputs: ['words'],
    outputs: ['loss', 'presence'],
  });
  expect(traced('teddy: red', 'syngen')).toEqual({ inputs: ['words', 'unrelated'], outputs: ['loss'] });
});

it('refuses a loss without a term for what is required, and names those that have one', () => {
  expect(() => make('teddy: red', 'attend-and-excite')).toThrow(
    /^attentionLoss: attend-and-excite has no term for .+; choose predicated or divide-and-bind or syngen$/,
  );
  expect(() => make('teddy apart from cat', 'syngen')).toThrow(/choose predicated$/);
});

it('has one program for prompts that ask for the same of other words, and others for what differs', () => {
  const key = (...args: Parameters<typeof make>) => make(...args).computations[0].key;
  const first = key('teddy and cat', 'attend-and-excite');
  expect(key('red and blue', 'attend-and-excite')).toBe(first);
  const others = [
    key('teddy and cat and red', 'attend-and-excite'),
    key('teddy and cat', 'predicated'),
    key('teddy apart from cat', 'predicated'),
    key('teddy: cat', 'predicated'),
    key('teddy and cat', 'attend-and-excite', 8),
  ];
  expect(new Set([first, ...others]).size).toBe(6);
});

describe('layersUpTo', () => {
  const names = (...args: Parameters<typeof layersUpTo>) => layersUpTo(...args).map(({ name }) => name);
  it('takes the largest maps that fit, by their shorter side', () => {
    expect(names(LAYERS, 64)).toEqual(['down']);
    expect(names(LAYERS, 31)).toEqual(['down 1', 'up']);
    expect(names(LAYERS, 15)).toEqual(['mid']);
    expect(names([layer('wide', 16, 24), layer('tall', 48, 32)], 16)).toEqual(['wide']);
  });
  it('says what there is', () => {
    expect(() => layersUpTo(LAYERS, 7)).toThrow(
      'attention: there are no maps whose shorter side has at most 7 positions; the network has maps of 32x32, 16x16, 8x8',
    );
  });
});
