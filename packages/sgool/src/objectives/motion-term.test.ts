/** @file The term that keeps the motion of a clip. */
import { describe, expect, it } from 'vitest';
import { latentMotion, MOTION_BAND, motionTerm } from './motion-term.ts';

const SHAPE = [1, 2, 4, 1, 3];
const latent = Float64Array.from({ length: 24 }, (_, i) => Math.sin(2.7 * i) + 0.1 * i);

describe('the motion', () => {
  it('is the mean absolute difference of neighbouring frames', () => {
    // Two channels of three frames with one number each.
    const small = Float64Array.of(1, 3, 2, 10, 10, 14);
    expect(latentMotion(small, [1, 2, 3, 1, 1])).toBe((2 + 1 + 0 + 4) / 4);
    expect(latentMotion(small, [1, 2, 1, 3])).toBe(0);
  });
});

describe('the term', () => {
  const motion = latentMotion(latent, SHAPE);

  it('is 0 within the band, and grows outside of it on both sides', () => {
    for (const ratio of [1 - 0.99 * MOTION_BAND, 1, 1 + 0.99 * MOTION_BAND]) {
      const { value, gradient } = motionTerm(latent, SHAPE, motion / ratio);
      expect(value).toBe(0);
      expect(gradient.every((one) => one === 0)).toBe(true);
    }
    expect(motionTerm(latent, SHAPE, 2 * motion).value).toBeCloseTo(0.5 - MOTION_BAND, 12);
    expect(motionTerm(latent, SHAPE, motion / 2).value).toBeCloseTo(1 - MOTION_BAND, 12);
  });

  it('begins behind the end of the band', () => {
    // Both frames differ by nine tenths of the plain motion, exactly.
    const { value, gradient } = motionTerm(Float64Array.of(0, 1 - MOTION_BAND), [1, 1, 2, 1, 1], 1);
    expect([value, ...gradient]).toEqual([0, 0, 0]);
  });

  it('punishes a clip that stands still most', () => {
    const still = Float64Array.from(latent, (_, i) => latent[i % 3]);
    expect(motionTerm(still, SHAPE, motion).value).toBeCloseTo(1 - MOTION_BAND, 12);
  });

  it.each([3, 0.3])('has the gradient of its value, at %d times the plain motion', (factor) => {
    const plain = factor * motion;
    const { gradient } = motionTerm(latent, SHAPE, plain);
    const step = 1e-6;
    for (let i = 0; i < latent.length; i++) {
      const valueAt = (sign: number) => {
        const moved = latent.slice();
        moved[i] += sign * step;
        return motionTerm(moved, SHAPE, plain).value;
      };
      expect((valueAt(1) - valueAt(-1)) / (2 * step)).toBeCloseTo(gradient[i], 6);
    }
  });

  it('does not move a number that stands still', () => {
    // The second of two numbers does not move.
    const { gradient } = motionTerm(Float64Array.of(0, 5, 1, 5), [1, 1, 2, 1, 2], 2);
    expect([...gradient]).toEqual([0.25, 0, -0.25, 0]);
  });

  it('asks nothing where the plain clip stood still, and of a picture', () => {
    expect(motionTerm(latent, SHAPE, 0).value).toBe(0);
    expect(motionTerm(latent, [1, 2, 4, 3], 0).value).toBe(0);
  });
});
