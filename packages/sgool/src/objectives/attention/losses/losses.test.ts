import { compile, grad, reshape, trace } from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { readFixture } from '../../../diffusion/testing.ts';
import { relativeError } from '../../../networks/testing.ts';
import { sum } from '../../../numbers.ts';
import { LOSS_FACTS } from '../../../request/attention-losses.ts';
import { ATTENTION_LOSS_NAMES, type AttentionLossName } from '../../../request/settings/attention.ts';
import type { Requirement } from '../requirement.ts';
import { meanOfHeads, smoothed, wordMaps } from '../word-maps.ts';
import { ATTENTION_LOSSES } from './index.ts';

const read = readFixture('attention-losses.safetensors');
/** As in fixtures/make/attention_losses.py. */
const [ROWS, COLUMNS, TOKENS] = [4, 6, 9];
const WORDS = [[2], [4, 5], [7], [3]];
const PARTS = {
  exists: { exists: [0, 1], apart: [], belongs: [] },
  apart: { exists: [], apart: [[0, 1]], belongs: [] },
  belongs: {
    exists: [],
    apart: [],
    belongs: [
      [3, 1],
      [2, 0],
    ],
  },
} as const satisfies Record<string, Omit<Requirement, 'words'>>;

const words = Float32Array.from(
  WORDS.flatMap((own) => Array.from({ length: TOKENS }, (_, at) => (own.includes(at) ? 1 / own.length : 0))),
);
// Tokens 1 to 7 without 2, 3, 4, 5 and 7.
const others = [0, 1].flatMap(() =>
  Array.from({ length: TOKENS }, (_, at) => ([1, 6].includes(at) ? 0.5 : 0)),
);

/** A loss, its measure of presence and its gradient with respect to the maps of two layers. */
async function evaluated(name: AttentionLossName, requirement: Omit<Requirement, 'words'>) {
  const pairs = Math.max(1, requirement.belongs.length);
  const shapes = {
    first: { shape: [2, ROWS, COLUMNS, TOKENS] },
    second: { shape: [3, ROWS, COLUMNS, TOKENS] },
    words: { shape: [WORDS.length, TOKENS] },
    unrelated: { shape: [pairs, TOKENS] },
  };
  const graph = trace(shapes, ({ first, second, words, unrelated }) => {
    const maps = wordMaps(meanOfHeads([first, second]), words);
    const { loss, presence } = ATTENTION_LOSSES[name]({ ...maps, requirement, unrelated });
    const [one, two] = grad(reshape(loss, [1]), [first, second]);
    return { loss: reshape(loss, [1]), one, two, ...(presence && { presence: reshape(presence, [1]) }) };
  });
  const program = await compile(graph);
  const results = await program.run({
    first: Float32Array.from(read('maps 0')),
    second: Float32Array.from(read('maps 1')),
    words,
    unrelated: Float32Array.from(others.slice(0, pairs * TOKENS)),
  });
  await program.dispose();
  return results as Record<string, Float32Array | undefined>;
}

const CASES = ATTENTION_LOSS_NAMES.flatMap((name) =>
  LOSS_FACTS[name].relations.map((relation) => [name, relation] as const),
);

it.each(CASES)('%s of what %s is that of PyTorch, with its gradient', async (name, relation) => {
  const { relations } = LOSS_FACTS[name];
  const key = relations.length === 1 ? name : `${name} ${relation}`;
  const { loss, presence, one, two } = await evaluated(name, PARTS[relation]);
  expect(relativeError(loss ?? [], read(`${key}: loss`))).toBeLessThan(1e-4);
  expect(relativeError(one ?? [], read(`${key}: gradient 0`))).toBeLessThan(1e-4);
  expect(relativeError(two ?? [], read(`${key}: gradient 1`))).toBeLessThan(1e-4);
  expect(presence !== undefined).toBe(relation === 'exists');
  if (presence) expect(relativeError(presence, read(`${key}: presence`))).toBeLessThan(1e-4);
});

it.each(['predicated', 'divide-and-bind'] as const)(
  '%s of several things is the sum of its terms',
  async (name) => {
    const { relations } = LOSS_FACTS[name];
    const whole = { exists: PARTS.exists.exists, apart: [] as const, belongs: PARTS.belongs.belongs };
    const all = relations.includes('apart') ? { ...whole, apart: PARTS.apart.apart } : whole;
    const wanted = relations.reduce((sum, relation) => sum + read(`${name} ${relation}: loss`)[0], 0);
    expect((await evaluated(name, all)).loss?.[0]).toBeCloseTo(wanted, 4);
  },
);

it.each(CASES)('%s of what %s, of one alone', async (name, relation) => {
  const none = { exists: [], apart: [], belongs: [] };
  const lossOf = async (part: Partial<Omit<Requirement, 'words'>>) =>
    evaluated(name, { ...none, ...part }).then(({ loss, presence }) => ({
      loss: loss?.[0] ?? 0,
      presence: presence?.[0] ?? 0,
    }));
  const all = PARTS[relation][relation];
  const together = await lossOf({ [relation]: all });
  const each = await Promise.all(all.map((one) => lossOf({ [relation]: [one] })));
  if (relation === 'exists') {
    expect(together.presence).toBeCloseTo(Math.min(...each.map(({ presence }) => presence)), 6);
  } else {
    expect(together.loss).toBeCloseTo(sum(each.map(({ loss }) => loss)), 4);
  }
});

it('predicated keeps truths a little away from 0 and 1', async () => {
  const requirement = { exists: [0], apart: [], belongs: [] };
  const shape = [1, 2, 2];
  const graph = trace({ sharpened: { shape }, tokens: { shape } }, ({ sharpened, tokens }) => {
    const all = { plain: sharpened, sharpened, tokens, unrelated: tokens, requirement };
    const { loss, presence } = ATTENTION_LOSSES.predicated(all);
    return { loss: reshape(loss, [1]), presence: reshape(presence ?? loss, [1]) };
  });
  const program = await compile(graph);
  const of = async (value: number) => {
    const map = new Float32Array(4).fill(value);
    const { loss, presence } = await program.run({ sharpened: map, tokens: map });
    return { loss: loss[0], presence: presence[0] };
  };
  const [absent, present] = [await of(0), await of(1)];
  await program.dispose();
  // Nowhere is (1 - 1e-6)^4, in float32, and its complement is seen.
  expect(absent.presence).toBeGreaterThan(3e-6);
  expect(absent.presence).toBeLessThan(5e-6);
  expect(absent.loss).toBeCloseTo(-Math.log(4e-6), 0);
  expect(present.presence).toBe(1);
  expect(present.loss).toBeCloseTo(1e-6, 6);
});

it('syngen has a loss and a gradient where a word has no share of a position', async () => {
  const shape = [2, 2, 2];
  const inputs = {
    plain: { shape },
    tokens: { shape: [3, 2, 2] },
    unrelated: { shape: [1, 3] },
  };
  const requirement = { exists: [], apart: [], belongs: [[0, 1]] } as const;
  const graph = trace(inputs, ({ plain, tokens, unrelated }) => {
    const { loss } = ATTENTION_LOSSES.syngen({ plain, sharpened: plain, tokens, unrelated, requirement });
    const [slope] = grad(reshape(loss, [1]), [plain]);
    return { loss: reshape(loss, [1]), slope };
  });
  const program = await compile(graph);
  const { loss, slope } = await program.run({
    plain: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 1),
    tokens: new Float32Array(12).fill(0.25),
    unrelated: Float32Array.of(1, 0, 0),
  });
  await program.dispose();
  // Half of 2 times log(1 / 1e-12) between the pair; half of 3/4 log 4 and 3/4 log(1/4 / 1e-12) to the other token, for each side.
  const toOthers = 0.5 * (0.75 * Math.log(4) + 0.75 * Math.log(0.25 / 1e-12));
  expect(loss[0]).toBeCloseTo(Math.log(1e12) - toOthers, 3);
  expect([...(slope as Float32Array)].every(Number.isFinite)).toBe(true);
});

describe('smoothing', () => {
  async function smooth(maps: number[], rows: number, columns: number) {
    const program = await compile(
      trace({ maps: { shape: [1, rows, columns] } }, ({ maps }) => ({ y: smoothed(maps) })),
    );
    const { y } = await program.run({ maps: Float32Array.from(maps) });
    await program.dispose();
    return [...(y as Float32Array)];
  }

  it('spreads a point by the published kernel, mirrored at the edges', async () => {
    const inside = await smooth([0, 0, 0, 0, 1, 0, 0, 0, 0], 3, 3);
    // What leaves the map at one edge comes back at the other side of it: the corner of a map of 3 gets its diagonal four times.
    [0.1796, 0.2441, 0.1796, 0.2441, 0.3319, 0.2441, 0.1796, 0.2441, 0.1796].forEach((value, i) => {
      expect(inside[i]).toBeCloseTo(value, 3);
    });
  });

  it('mirrors at both edges of a map of two', async () => {
    // Each position is seen from itself, and from the other one twice.
    const [side, centre] = [Math.exp(-1), 1].map((weight) => weight / (1 + 2 * Math.exp(-1)));
    const row = await smooth([1, 0], 1, 2);
    expect(row[0]).toBeCloseTo(centre, 6);
    expect(row[1]).toBeCloseTo(2 * side, 6);
    const column = await smooth([0, 1], 2, 1);
    expect(column[0]).toBeCloseTo(2 * side, 6);
    expect(column[1]).toBeCloseTo(centre, 6);
  });

  it('leaves maps of one position, and what is the same everywhere', async () => {
    expect((await smooth([0.5], 1, 1))[0]).toBeCloseTo(0.5, 6);
    for (const value of await smooth(new Array(8).fill(0.25), 2, 4)) expect(value).toBeCloseTo(0.25, 6);
  });
});
