/** Rules of adapters on small weights: which parts fit, and the change by its definition, element by element. */
import { describe, expect, it } from 'vitest';
import { randomNormal } from '../../diffusion/testing.ts';
import { product } from '../../numbers.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import type { LoraPart } from '../names/lora.ts';
import { type LoraParts, magnitudeAxis, mergedBias, mergedWeight, ruleOf } from './lora-delta.ts';

let seed = 1;
function tensor(...shape: number[]): WeightTensor {
  const data = Float32Array.from(randomNormal(product(shape), seed++));
  return { dtype: 'F32', shape, path: 'x', byteLength: data.byteLength, compute: () => data };
}
const valuesOf = (of: WeightTensor) =>
  'compute' in of ? (of.compute() as Float32Array) : new Float32Array();
const flag = (value: number): WeightTensor => ({ ...tensor(1), compute: () => Float32Array.of(value) });

/** Shapes of parts that fit a weight. */
const FITTING: [string, Partial<Record<LoraPart, number[]>>, number[], number | undefined][] = [
  ['LoRA', { down: [2, 5], up: [4, 2] }, [4, 5], 2],
  ['LoRA of a convolution', { down: [2, 5, 3, 3], up: [4, 2, 1, 1] }, [4, 5, 3, 3], 2],
  ['LoRA with a core', { down: [2, 5, 1, 1], up: [4, 3, 1, 1], mid: [3, 2, 3, 3] }, [4, 5, 3, 3], 2],
  ['LoRA of an embedding', { embedding_down: [2, 7], embedding_up: [5, 2] }, [7, 5], 2],
  ['LoHa', { hada_w1_a: [4, 2], hada_w1_b: [2, 5], hada_w2_a: [4, 3], hada_w2_b: [3, 5] }, [4, 5], 2],
  [
    'LoHa with cores',
    {
      hada_w1_a: [2, 4],
      hada_w1_b: [3, 5],
      hada_w2_a: [2, 4],
      hada_w2_b: [3, 5],
      hada_t1: [2, 3, 3, 3],
      hada_t2: [2, 3, 3, 3],
    },
    [4, 5, 3, 3],
    3,
  ],
  ['LoKr of whole factors', { lokr_w1: [2, 3], lokr_w2: [3, 2] }, [6, 6], undefined],
  ['LoKr', { lokr_w1_a: [2, 1], lokr_w1_b: [1, 3], lokr_w2_a: [3, 2], lokr_w2_b: [2, 2] }, [6, 6], 2],
  ['LoKr of a convolution', { lokr_w1: [2, 3], lokr_w2: [3, 2, 3, 3] }, [6, 6, 3, 3], undefined],
  [
    'LoKr with a core',
    { lokr_w1: [2, 3], lokr_w2_a: [2, 3], lokr_w2_b: [4, 2], lokr_t2: [2, 4, 3, 3] },
    [6, 6, 3, 3],
    4,
  ],
  ['the difference', { diff: [4, 5] }, [4, 5], undefined],
  ['the weight', { weight: [4, 5] }, [4, 5], undefined],
];
const partsOf = (shapes: Partial<Record<LoraPart, number[]>>): LoraParts =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tensor(...shape)]));

describe.each(FITTING)('%s', (_, shapes, shape, rank) => {
  it('fits its weight, and no other', () => {
    const parts = partsOf(shapes);
    const { rule, unused, missing } = ruleOf(parts);
    expect([unused, missing]).toEqual([[], undefined]);
    expect(rule?.rank(parts)).toBe(rank);
    expect(rule?.fits(parts, shape)).toBe(true);
    for (const axis of shape.keys()) {
      const other = shape.map((size, i) => (i === axis ? 2 * size + 1 : size));
      expect(rule?.fits(parts, other), `${other}`).toBe(false);
    }
    expect(rule?.delta(parts, tensor(...shape))).toHaveLength(product(shape));
  });

  it('does not fit where a part has another size', () => {
    for (const name of Object.keys(shapes) as LoraPart[]) {
      const own = shapes[name] ?? [];
      for (const axis of own.keys()) {
        const parts = {
          ...partsOf(shapes),
          [name]: tensor(...own.map((size, i) => (i === axis ? size + 1 : size))),
        };
        // A kernel of the down part may be spread otherwise, as long as all elements are there.
        expect(ruleOf(parts).rule?.fits(parts, shape), `${name}, axis ${axis}`).toBe(false);
      }
    }
  });
});

describe('changes', () => {
  it('of a Kronecker product are those of its definition', () => {
    const parts = { lokr_w1: tensor(2, 3), lokr_w2: tensor(3, 2) };
    const [small, big] = [valuesOf(parts.lokr_w1), valuesOf(parts.lokr_w2)];
    const delta = ruleOf(parts).rule?.delta(parts, tensor(6, 6)) ?? [];
    for (let row = 0; row < 6; row++) {
      for (let column = 0; column < 6; column++) {
        const wanted =
          small[Math.floor(row / 3) * 3 + Math.floor(column / 2)] * big[(row % 3) * 2 + (column % 2)];
        expect(delta[row * 6 + column]).toBeCloseTo(wanted, 6);
      }
    }
  });

  it('of a core are its product with both sides', () => {
    const parts = { down: tensor(2, 5, 1, 1), up: tensor(4, 3, 1, 1), mid: tensor(3, 2, 3, 3) };
    const [down, up, mid] = [parts.down, parts.up, parts.mid].map(valuesOf);
    const delta = ruleOf(parts).rule?.delta(parts, tensor(4, 5, 3, 3)) ?? [];
    for (let i = 0; i < 4 * 5 * 9; i++) {
      const [o, c, k] = [Math.floor(i / 45), Math.floor(i / 9) % 5, i % 9];
      let wanted = 0;
      for (let p = 0; p < 3; p++)
        for (let q = 0; q < 2; q++) wanted += up[o * 3 + p] * mid[(p * 2 + q) * 9 + k] * down[q * 5 + c];
      expect(delta[i]).toBeCloseTo(wanted, 5);
    }
  });

  it('of a Hadamard product are the products of both', () => {
    const parts = {
      hada_w1_a: tensor(2, 1),
      hada_w1_b: tensor(1, 3),
      hada_w2_a: tensor(2, 1),
      hada_w2_b: tensor(1, 3),
    };
    const [a, b, c, d] = [parts.hada_w1_a, parts.hada_w1_b, parts.hada_w2_a, parts.hada_w2_b].map(valuesOf);
    const delta = ruleOf(parts).rule?.delta(parts, tensor(2, 3)) ?? [];
    for (let i = 0; i < 6; i++) {
      const [row, column] = [Math.floor(i / 3), i % 3];
      expect(delta[i]).toBeCloseTo(a[row] * b[column] * c[row] * d[column], 5);
    }
  });

  it.each([0, 1])('of IA3 are factors of rows, or of inputs (%i)', (onInput) => {
    const base = tensor(2, 3, 2);
    const parts = { on_input: flag(onInput), factor: tensor(onInput ? 3 : 2) };
    const { rule } = ruleOf(parts);
    expect(rule?.fits(parts, base.shape)).toBe(true);
    expect(rule?.fits(parts, [5, 4, 2])).toBe(false);
    const delta = rule?.delta(parts, base) ?? [];
    valuesOf(base).forEach((value, i) => {
      const factor = valuesOf(parts.factor)[onInput ? Math.floor((i % 6) / 2) : Math.floor(i / 6)];
      expect(delta[i]).toBeCloseTo(value * factor, 6);
    });
  });

  it('of a stored weight lead to it', () => {
    const [base, parts] = [tensor(2, 3), { weight: tensor(2, 3) }];
    const { rule } = ruleOf(parts);
    if (rule === undefined) throw new Error('no rule');
    mergedWeight(base, rule, parts, 1, 1).forEach((value, i) => {
      expect(value).toBeCloseTo(valuesOf(parts.weight)[i], 6);
    });
  });
});

describe('rules', () => {
  it('name what is missing, and what has no use', () => {
    expect(ruleOf(partsOf({ down: [2, 5] }))).toMatchObject({ missing: 'up', unused: [] });
    expect(ruleOf(partsOf({ lokr_w2: [2, 5] })).missing).toBe('lokr_w1,lokr_w1_a');
    expect(ruleOf(partsOf({ down: [2, 5], up: [4, 2], hada_t1: [1], alpha: [1], bias: [4] })).unused).toEqual(
      ['hada_t1'],
    );
    expect(ruleOf(partsOf({ diff_b: [4] }))).toEqual({ rule: undefined, unused: [] });
    const half = partsOf({
      hada_w1_a: [4, 2],
      hada_w1_b: [2, 5],
      hada_w2_a: [4, 3],
      hada_w2_b: [3, 5],
      hada_t1: [2, 2, 1, 1],
    });
    expect(ruleOf(half).rule?.fits(half, [4, 5])).toBe(false);
    const lone = partsOf({ lokr_w1_a: [2, 1], lokr_w2: [3, 2] });
    expect(ruleOf(lone).rule?.fits(lone, [6, 6])).toBe(false);
  });

  it.each<[number[], number[], 0 | 1 | undefined]>([
    [[4], [4, 5], 0],
    [[5], [4, 5], 1],
    [[4, 1], [4, 4], 0],
    [[1, 4], [4, 4], 1],
    [[1, 4], [4, 5], 0],
    [[4], [4, 4], 0],
    [[1, 4, 1, 1], [4, 5, 3, 3], 0],
    [[6], [4, 5], undefined],
  ])('a magnitude of %j belongs to a weight of %j on axis %s', (magnitude, shape, axis) => {
    expect(magnitudeAxis(tensor(...magnitude), shape)).toBe(axis);
  });
});

describe('magnitudes', () => {
  const base = tensor(2, 3, 2);
  const zero = { ...tensor(2, 3, 2), compute: () => new Float32Array(12) };
  const lengthsOf = (values: Float32Array, axis: 0 | 1) => {
    const out = new Float64Array(axis === 0 ? 2 : 3);
    values.forEach((value, i) => {
      out[axis === 0 ? Math.floor(i / 6) : Math.floor((i % 6) / 2)] += value ** 2;
    });
    return out.map(Math.sqrt);
  };

  it.each([
    { axis: 0, shape: [2, 1, 1] },
    { axis: 1, shape: [1, 3, 1] },
  ] as const)('of LyCORIS are the lengths of axis $axis, by the strength', ({ axis, shape }) => {
    const parts = { diff: zero, dora_scale: tensor(...shape) };
    const { rule } = ruleOf(parts);
    if (rule === undefined) throw new Error('no rule');
    const wanted = valuesOf(parts.dora_scale).map(Math.abs);
    const lengths = lengthsOf(mergedWeight(base, rule, parts, 1, 1), axis);
    lengths.forEach((length, i) => {
      expect(length).toBeCloseTo(wanted[i], 5);
    });
    const none = mergedWeight(base, rule, parts, 1, 0);
    none.forEach((value, i) => {
      expect(value).toBeCloseTo(valuesOf(base)[i], 6);
    });
  });

  it('of LyCORIS stand above lengths near 0', () => {
    const [length, epsilon] = [1e-7, 2 ** -23];
    const one = (value: number): WeightTensor => ({ ...tensor(1, 1), compute: () => Float32Array.of(value) });
    const near = one(length);
    const parts = { diff: one(0), dora_scale: one(2) };
    const { rule } = ruleOf(parts);
    if (rule === undefined) throw new Error('no rule');
    const [value] = mergedWeight(near, rule, parts, 1, 1);
    expect(value).toBeCloseTo((2 * length) / (length + epsilon), 5);
  });

  it('of PEFT are the lengths of rows, whatever the strength', () => {
    const parts = { diff: tensor(2, 3, 2), magnitude: tensor(2) };
    const { rule } = ruleOf(parts);
    if (rule === undefined) throw new Error('no rule');
    for (const strength of [0.25, 1]) {
      const merged = mergedWeight(base, rule, parts, 2, strength);
      lengthsOf(merged, 0).forEach((length, i) => {
        expect(length).toBeCloseTo(Math.abs(valuesOf(parts.magnitude)[i]), 5);
      });
      // Its direction is that of base + scale · strength · difference.
      const direction = valuesOf(base).map((value, i) => value + 2 * strength * valuesOf(parts.diff)[i]);
      expect(merged[0] / merged[1]).toBeCloseTo(direction[0] / direction[1], 3);
    }
  });
});

it('biases: differences are added, a stored one replaces, each by the strength', () => {
  const [base, other] = [tensor(3), tensor(3)];
  const [old, values] = [valuesOf(base), valuesOf(other)];
  const near = (actual: Float32Array, wanted: (i: number) => number) =>
    actual.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted(i), 6);
    });
  near(mergedBias(base, { diff_b: other }, 3, 0.5), (i) => old[i] + 0.5 * values[i]);
  near(mergedBias(base, { up_bias: other }, 3, 0.5), (i) => old[i] + 1.5 * values[i]);
  near(mergedBias(base, { bias: other }, 3, 0.5), (i) => 0.5 * old[i] + 0.5 * values[i]);
  near(mergedBias(base, {}, 3, 0.5), (i) => old[i]);
});
