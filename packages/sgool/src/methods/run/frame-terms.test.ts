import { describe, expect, it } from 'vitest';
import { frameLatent } from '../../models/frames.ts';
import { mean } from '../../numbers.ts';
import type { FrameFeatures } from '../../objectives/frame-features.ts';
import { correlationTerm, frameCosine } from '../../objectives/frame-likeness.ts';
import type { FrameShare } from '../../objectives/frames.ts';
import { stratifiedFrames } from '../../objectives/frames.ts';
import { Generator } from '../../random/generator.ts';
import { frameTerms, type TermSettings } from './frame-terms.ts';

const shape = [1, 2, 4, 2, 3];
const random = new Generator(9);
const noise = (length: number) => Float64Array.from(random.randn([length]));

/** Features that are a product with a matrix: 12 numbers of 12. */
const matrix = Array.from({ length: 12 }, () => noise(12));
const linear: FrameFeatures = {
  of: async (latent) =>
    Float32Array.from(matrix, (row) => row.reduce((sum, value, i) => sum + value * latent[i], 0)),
  pullback: async (_, cotangent) =>
    Float64Array.from({ length: 12 }, (_, i) =>
      matrix.reduce((sum, row, k) => sum + row[i] * cotangent[k], 0),
    ),
};

const opened: string[] = [];
const create = (weights: Partial<TermSettings>, frames = shape) =>
  frameTerms(
    {
      latentShape: () => [...frames],
      async frameFeatures(name) {
        opened.push(name);
        return linear;
      },
    },
    {
      settings: {
        width: 4,
        height: 3,
        motionWeight: 0,
        clipConsistencyWeight: 0,
        saliencyConsistencyWeight: 0,
        ...weights,
      } as Parameters<typeof frameTerms>[1]['settings'],
    },
  );

const ALL: FrameShare[] = [0, 1, 2].map((frame) => ({ frame, share: 1 / 3 }));
const box = (left: number, width = 2) => ({ left, top: 0, width, height: 2, mass: 1 });
const tracks = [
  { boxes: [box(0), box(1), box(2), box(1)] },
  // Not seen in the third frame.
  { boxes: [box(2), box(1), undefined, box(0)] },
];
const [plain, other] = [noise(48), noise(48)];
const featuresOf = async (latent: Float64Array) =>
  Promise.all([0, 1, 2, 3].map((frame) => linear.of(frameLatent(latent, shape, frame))));

it('weights of 0 open no network and take no pairs; a picture has no terms', async () => {
  opened.length = 0;
  const none = await create({});
  expect(none.ofPairs).toBe(false);
  await none.begin(plain);
  expect(await none.evaluate(other, { pairs: [] })).toEqual({
    total: 0,
    gradient: new Float64Array(48),
    parts: {},
  });
  const picture = await create(
    { motionWeight: 1, clipConsistencyWeight: 1, saliencyConsistencyWeight: 1 },
    [1, 4, 4, 3],
  );
  expect(picture.ofPairs).toBe(false);
  expect(opened).toEqual([]);
});

describe.each([
  ['clipConsistencyWeight', 'consistency', 'clip'],
  ['saliencyConsistencyWeight', 'saliency', 'transalnet'],
] as const)('%s', (key, part, network) => {
  it('weighs its term, whose gradient is that of central differences', async () => {
    opened.length = 0;
    const terms = await create({ [key]: 2.5 });
    expect(opened).toEqual([network]);
    // A plain clip that is very consistent, so that the other one loses.
    await terms.begin(Float64Array.from({ length: 48 }, () => 1));
    const input = { pairs: ALL, tracks };
    const { total, gradient, parts } = await terms.evaluate(other, input);
    expect(parts[part]).toBeGreaterThan(0);
    expect(total).toBeCloseTo(2.5 * (parts[part] ?? 0), 10);
    for (const i of [0, 7, 13, 26, 40, 47]) {
      const at = async (step: number) =>
        (
          await terms.evaluate(
            other.map((value, k) => (k === i ? value + step : value)),
            input,
          )
        ).total;
      // The features are float32.
      expect(Math.abs(gradient[i] - ((await at(1e-2)) - (await at(-1e-2))) / 2e-2)).toBeLessThan(2e-3);
    }
  });

  it('of some pairs is that of all of them in the mean', async () => {
    const terms = await create({ [key]: 1 });
    await terms.begin(Float64Array.from({ length: 48 }, () => 1));
    const whole = await terms.evaluate(other, { pairs: ALL, tracks });
    const draws = await Promise.all(
      [0, 0.4, 0.9].map((uniform) =>
        terms.evaluate(other, { pairs: stratifiedFrames(3, 1, () => uniform), tracks }),
      ),
    );
    expect(mean(draws.map(({ total }) => total))).toBeCloseTo(whole.total, 10);
    for (const [i, value] of whole.gradient.entries())
      expect(mean(draws.map(({ gradient }) => gradient[i]))).toBeCloseTo(value, 10);
  });
});

it('consistency is measured against the plain clip, also after a stop', async () => {
  const terms = await create({ clipConsistencyWeight: 1 });
  await terms.begin(plain);
  await terms.begin(other);
  const cosines = async (latent: Float64Array) => {
    const all = await featuresOf(latent);
    return all.slice(1).map((one, f) => frameCosine(all[f], one));
  };
  const least = mean(await cosines(plain));
  const wanted = mean((await cosines(other)).map((cosine) => Math.max(0, least - cosine)));
  expect((await terms.evaluate(other, { pairs: ALL })).parts.consistency).toBeCloseTo(wanted, 10);
  const later = await create({ clipConsistencyWeight: 1 });
  later.restore(structuredClone(terms.state()));
  await later.begin(other);
  expect((await later.evaluate(other, { pairs: ALL })).parts.consistency).toBeCloseTo(wanted, 10);
});

it('saliency is compared as a whole where nothing is followed', async () => {
  const terms = await create({ saliencyConsistencyWeight: 1 });
  const all = await featuresOf(other);
  const wanted = mean(all.slice(1).map((one, f) => correlationTerm(all[f], one).value));
  expect((await terms.evaluate(other, { pairs: ALL })).parts.saliency).toBeCloseTo(wanted, 10);
  const followed = (await terms.evaluate(other, { pairs: ALL, tracks })).parts.saliency;
  expect(Math.abs((followed ?? 0) - wanted)).toBeGreaterThan(0.01);
});
