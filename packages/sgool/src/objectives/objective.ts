/**
 * @file The loss of a latent: decoder, crops, CLIP and distances as one differentiable program.
 *
 * Crops are inputs as matrices and weights as numbers, so that boxes and weights change without a new program: the whole image,
 * cutouts by their mean or their best, λ times the mean over salient regions all run the same program. Target images beside the
 * text take a program of their own, with a second distance for each view, and so do views with masks.
 */
import {
  add,
  asin,
  clip as clamp,
  gradient,
  matmul,
  min,
  mul,
  reshape,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  trace,
  transposeLast,
} from '@sgool/autodiff';
import type { Crop } from '../image/crops.ts';
import type { ImageSize } from '../image/image.ts';
import type { Backbone } from '../models/backbone.ts';
import { clip } from '../networks/clip/clip.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { Aim } from '../preference/clip-target.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';

/** A crop and what it is compared with. */
export interface View extends Aim {
  readonly crop: Crop;
  /** Factor on its distance. Default 0. */
  readonly weight?: number;
  /** Whether it is a candidate: of those only the best counts. Default false. */
  readonly candidate?: boolean;
}

/** The views that the loss of a latent is made of, with their weights. */
export interface ObjectiveInput {
  readonly views: readonly View[];
  /** Factor on the least distance among the candidates. Default 0. */
  readonly bestWeight?: number;
}

/** The loss of a latent, its parts and its gradient. */
export interface ObjectiveResult {
  readonly total: number;
  /** Spherical distance of each view to its text and target images. */
  readonly distances: Float32Array;
  /** d total / d latent. */
  readonly gradient: Float64Array;
}

/** The loss for latents of one size, ready to run. */
export interface Objective {
  readonly side: number;
  evaluate(latent: Float64Array, input: ObjectiveInput): Promise<ObjectiveResult>;
}

export interface ObjectiveParts {
  readonly programs: ProgramCache;
  readonly backbone: Pick<Backbone, 'latentShape' | 'decodedPlanes'>;
  readonly critic: ClipCritic;
  /** Of the decoded image. */
  readonly size: ImageSize;
  /**
   * The gradient of pixels below black or above white: with `clamp` it is zero, as in DOODL; with `through` it passes as if
   * they had not been clamped.
   */
  readonly saturatedGradient: 'clamp' | 'through';
  /** Views per run; fewer are filled up with copies of weight 0. More views need a program of their own. */
  readonly views: number;
}

/** What the views of a program have beside crop and text. */
interface Kind {
  readonly hasPictures: boolean;
  readonly hasMasks: boolean;
}

/** Keeps a view that is no candidate from being the best: more than any distance, which is at most π²/2. */
const NO_CANDIDATE = 100;

/** The objective for latents of one size. */
export function createObjective(parts: ObjectiveParts): Objective {
  const { programs, backbone, critic, saturatedGradient } = parts;
  const { width, height } = parts.size;
  const latentShape = backbone.latentShape(parts.size);
  const { side } = critic;
  const dimension = critic.config.projection_dim;

  const graph = (count: number, { hasPictures, hasMasks }: Kind) => {
    const shapes = {
      latent: { shape: latentShape },
      rows: { shape: [count, side, height] },
      columns: { shape: [count, side, width] },
      texts: { shape: [count, dimension] },
      weights: { shape: [count] },
      penalties: { shape: [count] },
      bestWeight: { shape: [] },
      ...(hasPictures && { pictures: { shape: [count, dimension] }, shares: { shape: [count] } }),
      ...(hasMasks && { masks: { shape: [count, 1, side, side] } }),
    };
    const forward = trace(shapes, (inputs) => {
      const { latent, rows, columns, texts, weights, penalties, bestWeight, pictures, shares, masks } =
        inputs;
      const decoded = backbone.decodedPlanes(latent);
      const planes = clampPlanes(decoded, saturatedGradient);
      const pixels = clipPixels(cropped(planes, rows, columns));
      const { embedding } = clip(critic.config, critic.weights).image(masks ? mul(masks, pixels) : pixels);
      const words = sphericalDistance(embedding, texts);
      const distances =
        pictures && shares
          ? add(mul(sub(1, shares), words), mul(shares, sphericalDistance(embedding, pictures)))
          : words;
      const best = min(add(distances, penalties));
      return {
        distances,
        total: add(sum(mul(weights, distances)), mul(bestWeight, best)),
        // Zero, unless a plane holds an infinity, which the clamping makes white or black.
        planesTimesZero: sum(mul(decoded, 0)),
      };
    });
    return gradient(forward, {
      of: 'total',
      wrt: ['latent'],
      keep: ['distances', 'total', 'planesTimesZero'],
    });
  };

  return {
    side,
    async evaluate(latent, { views, bestWeight = 0 }) {
      const count = Math.max(views.length, parts.views);
      const hasPictures = views.some(({ picture }) => picture !== undefined);
      const hasMasks = views.some(({ crop }) => crop.mask !== undefined);
      const kind = `${count} views${hasPictures ? ' with pictures' : ''}${hasMasks ? ' with masks' : ''}, ${saturatedGradient}`;
      const program = await programs.get(`objective ${critic.name} ${latentShape.join('x')}, ${kind}`, () =>
        graph(count, { hasPictures, hasMasks }),
      );
      const rows = new Float32Array(count * side * height);
      const columns = new Float32Array(count * side * width);
      const texts = new Float32Array(count * dimension);
      const pictures = new Float32Array(hasPictures ? count * dimension : 0);
      const shares = new Float32Array(hasPictures ? count : 0);
      const masks = new Float32Array(hasMasks ? count * side * side : 0).fill(1);
      for (let i = 0; i < count; i++) {
        const { crop, text, picture } = views[Math.min(i, views.length - 1)];
        rows.set(crop.rows, i * side * height);
        columns.set(crop.columns, i * side * width);
        if (crop.mask) masks.set(crop.mask, i * side * side);
        texts.set(text, i * dimension);
        // A view without a picture has share 0: what its picture is does not matter.
        if (hasPictures) pictures.set(picture?.embedding ?? text, i * dimension);
        if (picture) shares[i] = picture.share;
      }
      const result = await program.run({
        latent: Float32Array.from(latent),
        rows,
        columns,
        texts,
        weights: Float32Array.from({ length: count }, (_, i) => views[i]?.weight ?? 0),
        penalties: Float32Array.from({ length: count }, (_, i) => (views[i]?.candidate ? 0 : NO_CANDIDATE)),
        bestWeight: Float32Array.of(bestWeight),
        ...(hasPictures && { pictures, shares }),
        ...(hasMasks && { masks }),
      });
      return {
        total: result.total[0] as number,
        distances: (result.distances as Float32Array).subarray(0, views.length),
        gradient: Float64Array.from(result['grad:latent'] as Float32Array),
      };
    },
  };
}

/** Planes in [0, 1]. */
function clampPlanes(planes: Tensor, saturatedGradient: 'clamp' | 'through'): Tensor {
  const inside = clamp(planes, 0, 1);
  return saturatedGradient === 'clamp' ? inside : add(planes, stopGradient(sub(inside, planes)));
}

/** `rows · plane · columnsᵀ` of each plane for each view: [views, 3, side, side]. */
function cropped(planes: Tensor, rows: Tensor, columns: Tensor): Tensor {
  const [views, side, height] = rows.shape;
  const width = columns.shape[2];
  const left = matmul(reshape(rows, [views, 1, side, height]), planes);
  return matmul(left, transposeLast(reshape(columns, [views, 1, side, width])));
}

/**
 * Half the squared angle between unit vectors, [count, dimension] each, as `2·asin(|u - v| / 2)²`: [count].
 *
 * Reference: Katherine Crowson's spherical_dist_loss, in DOODL and in diffusers' CLIP-guided pipeline.
 */
export function sphericalDistance(u: Tensor, v: Tensor): Tensor {
  // The root has no gradient where both are equal, nor the arc sine where they are opposite; rounding may overshoot.
  const squared = clamp(sum(square(sub(u, v)), { axes: [-1] }), 1e-12, 4 - 1e-6);
  return mul(2, square(asin(mul(0.5, sqrt(squared)))));
}
