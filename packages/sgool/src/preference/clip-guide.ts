/**
 * @file A CLIP as a scorer of an objective. Its loss is the spherical distance of a view to its aim:
 *
 *     D = (1 - s)·D(u, text) + s·D(u, target images)
 *
 * with u the embedding of the view and s the share of the target images (clip-target.ts); or, linear in the cosine, minus its score, as in
 * ReNO's mixture (`clip-cosine`):
 *
 *     D'(u, v) = -100·u·v
 */
import { add, mul, sub, sum, type Tensor } from '@sgool/autodiff';
import { wholeCrop } from '../image/crops.ts';
import { clip } from '../networks/clip/clip.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import type { ClipCritic } from './clip-critic.ts';
import { type Aim, clipScore } from './clip-target.ts';
import type { Guide, ObjectiveScorer } from './guide.ts';
import type { PromptInputs } from './scorer.ts';
import { distanceOfCosine, sphericalDistance } from './spherical-distance.ts';

/** How an embedding of a view is compared with another: [count] losses of [count, dimension] each, and the same by the score. */
interface ClipLoss {
  of(u: Tensor, v: Tensor): Tensor;
  ofScore(score: number): number;
}

const DISTANCE: ClipLoss = {
  of: sphericalDistance,
  ofScore: (score) => distanceOfCosine(score / 100),
};

/** Reference: Eyring et al. 2024, "ReNO", published code: `100 - logits_per_image`, whose scale is 100. */
const COSINE: ClipLoss = {
  of: (u, v) => mul(-100, sum(mul(u, v), { axes: [-1] })),
  ofScore: (score) => -score,
};

/**
 * @param name as in reports
 * @param loss default: the spherical distance
 */
export function clipObjectiveScorer(name: string, critic: ClipCritic, loss?: 'cosine'): ObjectiveScorer {
  return {
    name,
    score: (image, target) => clipScore(critic, image, target),
    lossOf: (loss === 'cosine' ? COSINE : DISTANCE).ofScore,
    fit: critic.fit,
    guide: clipGuide(critic, loss),
  };
}

/** The loss of a CLIP. */
export function clipGuide(critic: ClipCritic, loss?: 'cosine'): Guide {
  const compared = loss === 'cosine' ? COSINE : DISTANCE;
  const { side, config, weights } = critic;
  const shape = [config.projection_dim];
  return {
    key: loss === undefined ? critic.name : `${critic.name} ${loss}`,
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
      const words = compared.of(embedding, text);
      if (picture === undefined) return words;
      return add(mul(sub(1, share), words), mul(share, compared.of(embedding, picture)));
    },
  };
}

/** An aim by the names of a program's inputs. */
export function aimInputs({ text, picture }: Aim): PromptInputs {
  if (!picture) return { text };
  return { text, picture: picture.embedding, share: Float32Array.of(picture.share) };
}
