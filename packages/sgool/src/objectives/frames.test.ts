/** @file The loss of a clip by some of its frames. */
import { describe, expect, it } from 'vitest';
import { frameLatent } from '../models/frames.ts';
import { evaluateFrames, stratifiedFrames } from './frames.ts';
import type { Objective } from './objective.ts';

const SHAPE = [1, 2, 7, 1, 3];
const F = SHAPE[2];
const latent = Float64Array.from({ length: 42 }, (_, i) => Math.sin(3 * i));

/** The cube of every number, with another factor for each frame, which is told by its first number. */
const cubes: Objective = {
  async evaluate(part) {
    return {
      total: part.reduce((sum, value) => sum + value ** 3, 0),
      losses: [Float32Array.of(part[0])],
      gradient: part.map((value) => 3 * value ** 2),
    };
  },
};

const sizesOf = (count: number, worst?: number) => {
  const parts = count > 1 && worst !== undefined ? count - 1 : count;
  const others = count > 1 && worst !== undefined ? F - 1 : F;
  const border = (part: number) => Math.floor((part * others) / parts);
  return Array.from({ length: parts }, (_, part) => border(part + 1) - border(part));
};

/** Every draw that there is, each as likely as any other of its size of parts. */
function* draws(count: number, worst?: number) {
  const sizes = sizesOf(count, worst);
  const all = sizes.reduce((product, size) => product * size, 1);
  for (let n = 0; n < all; n++) {
    let rest = n;
    const uniform = sizes.map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return (at + 0.5) / size;
    });
    yield stratifiedFrames(F, count, () => uniform.shift() as number, worst);
  }
}

describe('stratifiedFrames', () => {
  it.each([
    [1, undefined],
    [2, undefined],
    [3, undefined],
    [4, undefined],
    [2, 0],
    [3, 5],
    [4, 6],
    [5, 3],
    [6, 2],
  ])(
    '%i frames, the worst being %s: the mean over all draws is the gradient of all frames',
    async (count, worst) => {
      const full = await evaluateFrames(
        cubes,
        latent,
        SHAPE,
        stratifiedFrames(F, 0, Math.random).map((share) => ({ ...share, input: [] })),
      );
      const mean = new Float64Array(latent.length);
      let [total, number] = [0, 0];
      for (const chosen of draws(count, worst)) {
        expect(chosen).toHaveLength(count);
        expect(new Set(chosen.map(({ frame }) => frame)).size).toBe(count);
        expect(chosen.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
        if (worst !== undefined) expect(chosen.map(({ frame }) => frame)).toContain(worst);
        const result = await evaluateFrames(
          cubes,
          latent,
          SHAPE,
          chosen.map((share) => ({ ...share, input: [] })),
        );
        result.gradient.forEach((value, i) => {
          mean[i] += value;
        });
        total += result.total;
        number++;
      }
      expect(total / number).toBeCloseTo(full.total, 12);
      for (const [i, value] of mean.entries()) expect(value / number).toBeCloseTo(full.gradient[i], 12);
    },
  );

  it('draws one of each part', () => {
    for (const [at, frames] of [
      [0, [0, 1, 3, 5]],
      [0.999, [0, 2, 4, 6]],
    ] as const)
      expect(stratifiedFrames(F, 4, () => at).map(({ frame }) => frame)).toEqual(frames);
  });

  it('takes all where as many are asked for, and draws nothing', () => {
    const never = () => {
      throw new Error('drawn');
    };
    for (const count of [0, 7, 50])
      expect(stratifiedFrames(F, count, never, 3)).toEqual(
        Array.from({ length: 7 }, (_, frame) => ({ frame, share: 1 / 7 })),
      );
    expect(stratifiedFrames(1, 4, never)).toEqual([{ frame: 0, share: 1 }]);
  });

  it('is no slave of the worst frame where one frame is asked for', () => {
    expect(stratifiedFrames(F, 1, () => 0.9, 0)).toEqual([{ frame: 6, share: 1 }]);
  });
});

it('the gradient of each chosen frame stands in its place', async () => {
  const inputs = [
    { frame: 5, share: 0.75, input: [] },
    { frame: 2, share: 0.25, input: [] },
  ];
  const { gradient, total, losses } = await evaluateFrames(cubes, latent, SHAPE, inputs);
  for (let frame = 0; frame < F; frame++) {
    const share = inputs.find((one) => one.frame === frame)?.share ?? 0;
    const own = frameLatent(latent, SHAPE, frame);
    expect(frameLatent(gradient, SHAPE, frame)).toEqual(own.map((value) => share * (3 * value ** 2)));
  }
  const cubesOf = (frame: number) =>
    frameLatent(latent, SHAPE, frame).reduce((sum, value) => sum + value ** 3, 0);
  expect(total).toBeCloseTo(0.75 * cubesOf(5) + 0.25 * cubesOf(2), 12);
  expect(losses.map(([[first]]) => first)).toEqual(
    [5, 2].map((frame) => Math.fround(frameLatent(latent, SHAPE, frame)[0])),
  );
});
