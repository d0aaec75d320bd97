import { afterAll, beforeAll, expect, it } from 'vitest';
import { relativeError } from '../networks/testing.ts';
import { loadScorer } from './load-scorer.ts';
import type { Scorer } from './scorer.ts';
import { PREFERENCE, type PreferenceCase, preferenceCases } from './testing.ts';

let scorer: Scorer;
let cases: PreferenceCase[];
beforeAll(async () => {
  scorer = await loadScorer('image-reward', { weights: `${PREFERENCE}image-reward` });
  cases = await preferenceCases('image-reward');
});
afterAll(() => scorer.dispose());

it("gives the authors' reward of images of any shape", async () => {
  const size = Math.max(...cases.map(({ score }) => Math.abs(score)));
  for (const { image, prompt, score } of cases) {
    expect(Math.abs((await scorer.score(image, prompt)) - score) / size, prompt).toBeLessThan(1e-5);
  }
});

it('gives the gradient of the reward with respect to the image', async () => {
  for (const { image, prompt, gradient } of cases) {
    const result = await scorer.gradient(image, prompt);
    expect(relativeError(result.gradient, gradient), prompt).toBeLessThan(1e-5);
  }
});

it('counts 33 word pieces of a prompt', () => {
  expect(scorer.fit('two yellow boats')).toEqual({ truncated: false, kept: 3, lost: 0, unknown: [] });
  expect(scorer.fit('a cat '.repeat(17))).toEqual({ truncated: true, kept: 33, lost: 1, unknown: [] });
});
