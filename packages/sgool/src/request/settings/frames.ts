/** @file Settings of a clip: its frames, and how its loss is taken of them. */
import { z } from 'zod';
import { FPS } from '../../image/video/video.ts';

/** Most frames of a clip. */
export const MOST_FRAMES = 1024;

/** What a clip is made of: frames that one model makes together. */
export const clipSettings = {
  frames: z
    .int()
    .min(1)
    .max(MOST_FRAMES)
    .describe('frames of a clip, for a model that has motion; 1 for a picture'),
  fps: z
    .int()
    .min(FPS.least)
    .max(FPS.most)
    .describe('frames per second that a clip is shown with; it changes no frame'),
  sharedNoise: z
    .number()
    .min(0)
    .max(1)
    .describe(
      'share of the noise that all frames have in common, by its variance: more keeps them alike; its gradient moves all of them',
    ),
};

/** How the loss of a clip is taken of its frames. */
export const frameLossSettings = {
  lossFrames: z
    .int()
    .min(0)
    .max(MOST_FRAMES)
    .describe(
      'frames of a clip whose loss is taken in each iteration: the worst one, and one drawn from each of as many parts as are left; 0 for all',
    ),
  fullGradientEvery: z
    .int()
    .min(0)
    .max(10_000)
    .describe(
      'iterations from one whose loss is taken of all frames of the clip to the next: 1 for every one, 10 for the plain clip and every tenth, 0 for none',
    ),
  motionWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'weight of what keeps the motion of a clip: the loss rises where its frames differ much less or more than those of the plain clip',
    ),
  clipConsistencyWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'weight of what keeps neighbouring frames alike under the CLIP that guides: the loss rises where they are less alike than those of the plain clip',
    ),
  saliencyConsistencyWeight: z
    .number()
    .min(0)
    .max(1000)
    .describe(
      'weight of what keeps salient things alike from frame to frame: one minus the correlation of their saliency by TranSalNet, each seen through its box',
    ),
};
