import { describe, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { fakeInfo, fakeScorer } from '../cells/testing.ts';
import type { ScoredImage } from './image-scorer.ts';
import { motionScorer } from './motion-scorer.ts';
import { overFrames } from './over-frames.ts';

const grey = (level: number) => createImage(4, 4, [level, level, level]);
const box = (left: number) => ({ left, top: 0, width: 1, height: 1, mass: 1 });
const frames = [grey(0), grey(51), grey(255)];
const clip = { frames, regions: [[box(0)], [box(1)], [box(2)]], jitter: 0.125 };
const prompt = { text: 'a cat' };
const scored: ScoredImage = { image: frames[1], prompt, regions: [box(1)], clip };

/** Scores brightness, and the place of the first region; only of bright frames a third. */
const scorer = overFrames({
  ...fakeScorer('light', ({ image, regions }) => ({
    light: image.data[0],
    'light@regions': regions[0]?.left ?? null,
    'light:bright': image.data[0] > 50 ? image.data[0] : null,
    'light:never': null,
  })),
  infos: ['light', 'light@regions', 'light:bright', 'light:never'].map(fakeInfo),
  ofClip: {
    infos: [fakeInfo('light:whole')],
    score: async ({ frames: all }, { text }) => ({ 'light:whole': all.length * text.length }),
  },
});

describe('a scorer over frames', () => {
  it('gives means, the least of what stands for its network, and what it says of the whole', async () => {
    expect(scorer.infos.map(({ name }) => name)).toEqual([
      ...['light', 'light@regions', 'light:bright', 'light:never'],
      ...['light:least', 'light:whole'],
    ]);
    expect(await scorer.score(scored)).toEqual({
      light: 102,
      'light@regions': 1,
      'light:bright': 153,
      'light:never': null,
      'light:least': 0,
      'light:whole': 15,
    });
    expect(scorer.infos[0].scale).toBe('made; mean over the frames');
    expect(scorer.infos[4].scale).toBe('made; of the frame that has least');
  });

  it('scores an image as before', async () => {
    const { clip: _, ...image } = scored;
    expect(await scorer.score(image)).toEqual({
      light: 51,
      'light@regions': 1,
      'light:bright': 51,
      'light:never': null,
    });
  });
});

it('motion and jitter are those of the clip, and none of them a merit', async () => {
  const motion = overFrames(motionScorer);
  expect(await motion.score(scored)).toEqual({
    'frames:motion': (51 + 204) / 2 / 255,
    'frames:jitter': 0.125,
  });
  const { jitter: _, ...still } = clip;
  expect(await motion.score({ ...scored, clip: still })).toMatchObject({ 'frames:jitter': null });
  expect(motion.infos.map(({ isMerit }) => isMerit)).toEqual([false, false]);
});
