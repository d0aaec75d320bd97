import { expect, it } from 'vitest';
import { maxDifference, readFixture } from '../diffusion/testing.ts';
import { rescaledCotangents, rescaledGuidance } from './guidance-rescale.ts';

it('rescales guidance as diffusers does, with its gradient', () => {
  const all = readFixture('schedulers.safetensors')('rescale');
  const size = all.length / 6;
  const [guided, prompted, cotangent, wanted, ofGuided, ofPrompt] = Array.from({ length: 6 }, (_, i) =>
    all.subarray(i * size, (i + 1) * size),
  );
  const given = [Float32Array.from(guided), Float32Array.from(prompted), 0.7] as const;
  expect(maxDifference(rescaledGuidance(...given), wanted)).toBeLessThan(1e-6);
  const cotangents = rescaledCotangents(...given, cotangent);
  expect(maxDifference(cotangents.ofGuided, ofGuided)).toBeLessThan(1e-6);
  expect(maxDifference(cotangents.ofPrompt, ofPrompt)).toBeLessThan(1e-6);
  expect(rescaledGuidance(given[0], given[1], 0)).toEqual(given[0]);
});
