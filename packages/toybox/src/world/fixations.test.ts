import { describe, expect, it } from 'vitest';
import { simulateFixations } from './fixations.ts';
import { renderWithMasks } from './render.ts';
import { sceneFromSeed } from './sample.ts';
import { sceneGenerator } from './scene-generator.ts';

const size = 64;
const simulate = (seed: number, generator = sceneGenerator(seed)) => {
  const scene = sceneFromSeed(seed);
  const rendered = renderWithMasks(scene);
  return { scene, ...rendered, ...simulateFixations(scene, rendered, { size, generator }) };
};

describe('simulated fixations', () => {
  it('come as counts, and as a map from 0 to 1', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { map, fixations } = simulate(seed);
      expect(map).toHaveLength(size * size);
      expect(Math.max(...map)).toBeCloseTo(1, 6);
      expect(Math.min(...map)).toBeGreaterThanOrEqual(0);
      const total = fixations.reduce((a, b) => a + b, 0);
      expect(total).toBeLessThanOrEqual(200);
      expect(total).toBeGreaterThan(180);
      expect(fixations.every(Number.isInteger)).toBe(true);
    }
  });

  it('are the same for the same numbers, others for others', () => {
    const places = (seed: number) => simulate(3, sceneGenerator(seed)).fixations.join();
    expect(places(1)).toBe(places(1));
    expect(places(1)).not.toBe(places(2));
  });

  it('fall on the things far more often than their area would have it', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { masks, fixations } = simulate(seed);
      let [hits, all] = [0, 0];
      fixations.forEach((count, at) => {
        const [row, column] = [Math.floor(at / size) * 2, (at % size) * 2];
        all += count;
        if (masks.some(({ mask }) => mask[row * 128 + column])) hits += count;
      });
      const area = masks.reduce((sum, mask) => sum + mask.area, 0) / 128 ** 2;
      expect(hits / all).toBeGreaterThan(1.5 * area);
    }
  });

  it('prefer faces', () => {
    // Two things alike in colour and size, one with a face, on the left in one half of the scenes, on the right in the other.
    let [withFace, without] = [0, 0];
    for (let seed = 0; seed < 30; seed++) {
      const scene = sceneFromSeed(seed, {
        kinds: ['star', 'heart'],
        colours: ['red', 'red'],
        sizes: ['medium', 'medium'],
        relation: seed % 2 ? 'left of' : 'right of',
      });
      const rendered = renderWithMasks(scene, size);
      const { fixations } = simulateFixations(scene, rendered, { size, generator: sceneGenerator(seed) });
      const on = (index: number) =>
        fixations.reduce((sum, count, at) => sum + count * rendered.masks[index].mask[at], 0) /
        Math.sqrt(rendered.masks[index].area);
      withFace += on(0);
      without += on(1);
    }
    expect(withFace / without).toBeGreaterThan(1.15);
  });
});
