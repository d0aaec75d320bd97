/**
 * @file Lines on the sphere, for optimisers that compare losses before they take a gradient. A backward pass costs more than an
 * image, so a latent that turned out worse gets none.
 */
import { norm, runningMean, tangent, unit } from './sphere.ts';

/** A great circle through a latent whose loss is known, downhill. */
export interface Line {
  readonly latent: Float64Array;
  readonly loss: number;
  /** Of length 1, at right angles to the latent. */
  readonly direction: Float64Array;
  /** Predicted fall of the loss per radian. */
  readonly slope: number;
}

/** The line downhill along the sphere; `momentum` is the share of the previous direction in the new one. */
export function lineFrom(
  latent: Float64Array,
  gradient: Float64Array,
  loss: number,
  momentum: number,
  before: Line | undefined,
): Line {
  const radius = norm(latent);
  const uphill = tangent(gradient, latent, radius);
  const downhill = unit(uphill).map((value) => -value);
  const blended = runningMean(downhill, before?.direction, momentum);
  const direction = unit(tangent(blended, latent, radius));
  const slope = -radius * direction.reduce((sum, value, i) => sum + value * uphill[i], 0);
  return { latent, loss, direction, slope };
}

/** The largest angle of one step, in radians; farther away the gradient is of no use. */
export const LARGEST_ANGLE = 0.5;
