/**
 * @file A CLIP as a scorer of an objective. Its loss is the spherical distance of a view to its aim:
 *
 *     D = (1 - s)·D(u, text) + s·D(u, target images)
 *
 * with u the embedding of the view and s the share of the target images (clip-target.ts).
 */
import { add, mul, sub } from '@sgool/autodiff';
import { wholeCrop } from '../image/crops.ts';
import { clip } from '../networks/clip/clip.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import type { ClipCritic } from './clip-critic.ts';
import { type Aim, clipScore } from './clip-target.ts';
import type { Guide, ObjectiveScorer } from './guide.ts';
import type { PromptInputs } from './scorer.ts';
import { distanceOfCosine, sphericalDistance } from './spherical-distance.ts';

/** @param name as in reports */
export function clipObjectiveScorer(name: string, critic: ClipCritic): ObjectiveScorer {
  return {
    name,
    score: (image, target) => clipScore(critic, image, target),
    lossOf: (score) => distanceOfCosine(score / 100),
    fit: critic.fit,
    guide: clipGuide(critic),
  };
}

/** The loss of a CLIP. */
export function clipGuide(critic: ClipCritic): Guide {
  const { side, config, weights } = critic;
  const shape = [config.projection_dim];
  return {
    key: critic.name,
    side,
    bytes: critic.bytes,
    takesCutouts: true,
    whole: (size) => wholeCrop({ ...size, side }),
    aim: async (target, text) => aimInputs(await target.aim(critic, text)),
    shapes: {
      text: { shape, dtype: 'float32' },
      picture: { shape, dtype: 'float32' },
      share: { shape: [], dtype: 'float32' },
    },
    loss(planes, { text, picture, share }) {
      const { embedding } = clip(config, weights).image(clipPixels(planes));
      const words = sphericalDistance(embedding, text);
      if (picture === undefined) return words;
      return add(mul(sub(1, share), words), mul(share, sphericalDistance(embedding, picture)));
    },
  };
}

/** An aim by the names of a program's inputs. */
export function aimInputs({ text, picture }: Aim): PromptInputs {
  if (!picture) return { text };
  return { text, picture: picture.embedding, share: Float32Array.of(picture.share) };
}
