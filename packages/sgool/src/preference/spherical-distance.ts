/** @file The distance between embeddings on the sphere, which the CLIP loss is made of. */
import { asin, clip as clamp, mul, sqrt, square, sub, sum, type Tensor } from '@sgool/autodiff';

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

/** The same distance by the cosine of the two vectors, which rounding may have taken beyond 1. */
export const distanceOfCosine = (cosine: number): number =>
  Math.acos(Math.max(-1, Math.min(1, cosine))) ** 2 / 2;
