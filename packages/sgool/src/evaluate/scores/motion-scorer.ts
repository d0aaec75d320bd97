/** @file How much clips move and shake. None of it is a merit: it says at what price the merits were had. */
import { pixelMotion } from '../../methods/run/frames.ts';
import type { ImageScorer } from './image-scorer.ts';

const shared = { isAveraged: true, isMerit: false, tie: 0 } as const;

/** Motion and jitter of clips. They are no network's scores, so they guide and select nothing. Pictures have none. */
export const motionScorer: ImageScorer = {
  infos: [],
  score: async () => ({}),
  ofClip: {
    infos: [
      {
        ...shared,
        name: 'frames:motion',
        title: 'motion',
        scale: 'mean absolute difference of neighbouring frames, 0 (they stand still) to 1',
        digits: 4,
        higherIsBetter: true,
      },
      {
        ...shared,
        name: 'frames:jitter',
        title: 'jitter of salient things',
        scale: 'mean second difference of the centres of their boxes, as a share of the longer side',
        digits: 4,
        higherIsBetter: false,
      },
    ],
    score: async ({ frames, jitter }) => ({
      'frames:motion': pixelMotion(frames),
      'frames:jitter': jitter ?? null,
    }),
  },
  fits: () => ({}),
  dispose: async () => {},
};
