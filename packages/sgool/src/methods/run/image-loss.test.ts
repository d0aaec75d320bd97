import { describe, expect, it } from 'vitest';
import type { Image } from '../../image/image.ts';
import { latentMotion, motionTerm } from '../../objectives/motion-term.ts';
import type { ObjectiveInput, ObjectiveResult } from '../../objectives/objective.ts';
import { Generator } from '../../random/generator.ts';
import { defined } from '../../testing.ts';
import { frameTerms } from './frame-terms.ts';
import { imageLoss, totalOf } from './image-loss.ts';

const image: Image = { width: 1, height: 1, data: new Uint8Array(3) };

/** The terms of clips of a shape, without networks. */
const termsOf = (shape: readonly number[], motionWeight: number) =>
  frameTerms(
    {
      latentShape: () => [...shape],
      frameFeatures: async () => {
        throw new Error('no network is needed');
      },
    },
    {
      settings: {
        motionWeight,
        clipConsistencyWeight: 0,
        saliencyConsistencyWeight: 0,
      } as Parameters<typeof frameTerms>[1]['settings'],
    },
  );

/** A loss that is the sum of the crops' numbers, which are drawn at random. */
async function create(
  options: { compares?: 'steps' | 'run'; keep?: 'loss' | 'clip'; patience?: number; fixed?: boolean } = {},
) {
  const random = new Generator(3);
  const { compares, keep = 'clip', patience = 0, fixed = false } = options;
  const seen: ObjectiveInput[] = [];
  const crop = { rows: Float32Array.of(1), columns: Float32Array.of(1) };
  const view = () => ({ crop: fixed ? crop : { ...crop, rows: random.rand([1]) }, aim: {} });
  const loss = imageLoss(
    {
      compares,
      shape: [1, 1, 1, 1],
      terms: await termsOf([1, 1, 1, 1], 1),
      builder: {
        parts: [],
        scorers: undefined as never,
        build: async (_, chosen) => ({
          objectives: chosen.map(() => ({
            input: () => [{ views: [view()] }],
            partsOf: () => ({ whole: 0 }),
          })),
        }),
      },
      objective: {
        async evaluate(_, input): Promise<ObjectiveResult> {
          seen.push(input);
          const [
            {
              views: [{ crop }],
            },
          ] = input;
          return { total: crop.rows[0], losses: [], gradient: new Float64Array(1) };
        },
      },
    },
    { settings: { keep, patience, rng: 'cpu', lossFrames: 4, fullGradientEvery: 0 }, seed: 7, random },
  );
  const finals = [new Float64Array(1)];
  const value = (iteration: number) => loss.value([image], iteration, finals);
  return { loss, seen, value, random };
}

describe('the loss of an image', () => {
  it('is another function each time, where nothing is compared', async () => {
    const { value, seen, loss } = await create();
    const first = await value(0);
    expect(await loss.forGradient(first)).toBe(first.results);
    const second = await value(1);
    expect(totalOf(second.results)).not.toBe(totalOf(first.results));
    expect(second.compared).toBe(totalOf(second.results));
    expect(seen).toHaveLength(2);
    expect(loss.state()).toEqual({ terms: {} });
  });

  it('stands still from one gradient to the next, for an optimiser that compares', async () => {
    const { value, loss } = await create({ compares: 'steps' });
    const first = await value(0);
    const followed = await loss.forGradient(first);
    const [a, b] = [await value(1), await value(2)];
    expect([a, b].map(({ results }) => totalOf(results))).toEqual([totalOf(followed), totalOf(followed)]);
    // The gradient is taken of a function that is drawn anew, and held.
    const next = await loss.forGradient(b);
    expect(totalOf(next)).not.toBe(totalOf(b.results));
    expect(totalOf((await value(3)).results)).toBe(totalOf(next));
  });

  it('stands still for the whole run, for an optimiser that compares all', async () => {
    const { value, loss, seen } = await create({ compares: 'run' });
    const first = await value(0);
    for (const iteration of [1, 2]) await loss.forGradient(await value(iteration));
    expect(totalOf(await loss.forGradient(await value(3)))).not.toBe(totalOf(first.results));
    expect(
      new Set(
        seen.slice(1).map(
          ([
            {
              views: [{ crop }],
            },
          ]) => crop.rows[0],
        ),
      ).size,
    ).toBe(1);
  });

  it('stands still after a stop, too', async () => {
    const { value, loss } = await create({ compares: 'steps' });
    await loss.forGradient(await value(0));
    const other = await create({ compares: 'steps' });
    other.loss.restore(structuredClone(loss.state()));
    expect(totalOf((await other.value(1)).results)).toBe(totalOf((await value(1)).results));
  });

  it.each([{ keep: 'loss' }, { patience: 2 }] as const)(
    'is compared through the same cutouts with %j',
    async (how) => {
      const { value, random } = await create(how);
      const plain = await create();
      const [first, second] = [await value(0), await value(1)];
      expect(first.compared).toBe(second.compared);
      expect(first.compared).not.toBe(totalOf(first.results));
      // The stream goes on as if nothing had been compared.
      expect(totalOf(first.results)).toBe(totalOf((await plain.value(0)).results));
      await plain.value(1);
      expect(random.rand([1])).toEqual(plain.random.rand([1]));
    },
  );

  it('is not computed twice where there are no random cutouts', async () => {
    const { value, seen, loss } = await create({ compares: 'steps', keep: 'loss', fixed: true });
    await loss.forGradient(await value(0));
    const second = await value(1);
    await loss.forGradient(second);
    expect(seen).toHaveLength(2);
    expect(defined(second).compared).toBe(totalOf(second.results));
  });
});

describe('the loss of a clip', () => {
  const shape = [1, 1, 4, 1, 2];
  const plain = Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7);
  const frames = Array.from({ length: 4 }, () => image);

  /** The loss of a frame is the sum of its two numbers. */
  async function createClip({ lossFrames = 0, motionWeight = 3, fullGradientEvery = 0 } = {}) {
    const chosen: (readonly number[])[] = [];
    const loss = imageLoss(
      {
        shape,
        terms: await termsOf(shape, motionWeight),
        builder: {
          parts: [],
          scorers: undefined as never,
          async build(_, wanted) {
            chosen.push(wanted);
            const partsOf = ([[sum]]: readonly Float32Array[]) => ({ whole: sum });
            return { objectives: wanted.map(() => ({ input: () => [], partsOf })), jitter: 0.25 };
          },
        },
        objective: {
          async evaluate(latent): Promise<ObjectiveResult> {
            const total = latent[0] + latent[1];
            return { total, losses: [Float32Array.of(total)], gradient: Float64Array.of(1, 1) };
          },
        },
      },
      {
        settings: { keep: 'clip', patience: 0, rng: 'cpu', lossFrames, fullGradientEvery },
        seed: 7,
        random: new Generator(3),
      },
    );
    return { loss, chosen };
  }

  it('is now and then that of all frames, whose gradient is the mean of those of some', async () => {
    const { loss, chosen } = await createClip({ lossFrames: 2, fullGradientEvery: 3, motionWeight: 0 });
    const totals: number[] = [];
    for (let iteration = 0; iteration < 7; iteration++)
      totals.push((await loss.value(frames, iteration, [plain], 3)).results[0].total);
    expect(chosen.map((all) => all.length)).toEqual([4, 2, 2, 4, 2, 2, 4]);
    expect([totals[0], totals[3], totals[6]]).toEqual([7, 7, 7]);
    const never = await createClip({ lossFrames: 2, motionWeight: 0 });
    let [sum, count] = [new Float64Array(8), 0];
    for (; count < 400; count++) {
      const [{ gradient }] = (await never.loss.value(frames, count, [plain], 3)).results;
      sum = sum.map((value, i) => value + gradient[i]);
    }
    expect(never.chosen.every((all) => all.length === 2)).toBe(true);
    for (const value of sum) expect(Math.abs(value / count - 0.25)).toBeLessThan(0.05);
  });

  it('is the mean over its frames, and the weighted term of the motion of the plain clip', async () => {
    const { loss, chosen } = await createClip();
    const first = await loss.value(frames, 0, [plain]);
    expect(chosen).toEqual([[0, 1, 2, 3]]);
    expect(first.results[0]).toMatchObject({ total: 7, parts: { whole: 7, motion: 0 } });
    expect(first).toMatchObject({ jitter: 0.25, compared: 7 });
    expect([...first.results[0].gradient]).toEqual(Array(8).fill(0.25));
    // Half of the motion: 0.9 - 0.5 lies outside of the band.
    const slower = plain.map((value) => value / 2);
    const { value, gradient } = motionTerm(slower, shape, latentMotion(plain, shape));
    const second = await loss.value(frames, 1, [slower]);
    expect(value).toBeCloseTo(0.4, 12);
    expect(second.results[0].total).toBeCloseTo(3.5 + 3 * value, 12);
    expect(second.results[0].parts.motion).toBe(value);
    for (const [i, one] of second.results[0].gradient.entries())
      expect(one).toBeCloseTo(0.25 + 3 * gradient[i], 12);
    // After a stop the motion is still compared with that of the plain clip.
    const other = (await createClip()).loss;
    other.restore(structuredClone(loss.state()));
    expect((await other.value(frames, 1, [slower])).results[0].total).toBe(second.results[0].total);
  });

  it('is taken of as many frames as are asked for, the worst among them', async () => {
    const { loss, chosen } = await createClip({ lossFrames: 2, motionWeight: 0 });
    for (const worst of [0, 1, 2, 3]) {
      const { results } = await loss.value(frames, 0, [plain], worst);
      const taken = chosen.at(-1) ?? [];
      expect(taken).toHaveLength(2);
      expect(taken).toContain(worst);
      expect(results[0].parts).not.toHaveProperty('motion');
      expect(results[0].gradient.reduce((sum, value) => sum + value, 0)).toBeCloseTo(2, 12);
    }
  });
});
