/**
 * @file The noise of a clip: a part that all frames share, and a part of their own.
 *
 *     z_f = √a z_shared + √(1-a) z'_f        cov(z_f, z_g) = a for f ≠ g
 *
 * Each frame is standard normal whatever a is. A step along the gradient of both parts moves z by the gradient of z times their covariance:
 * (1-a) of its own, and a of the sum over all frames.
 */
import { addFrameLatent, frameLatent, framesOf } from '../../models/frames.ts';
import type { RandomSource } from '../../random/random-source.ts';

/** Adds a frame, scaled, to every frame of `scale` times a clip. */
function withShared(
  own: Float64Array,
  shared: Float64Array,
  shape: readonly number[],
  scale: number,
): Float64Array {
  const mixed = own.map((value) => scale * value);
  for (let frame = 0; frame < framesOf(shape); frame++) addFrameLatent(mixed, shape, frame, shared);
  return mixed;
}

/**
 * Draws standard normal numbers of a shape, as torch.randn does; then, where frames share a part of them, those of one frame more.
 *
 * @param share a, the variance that all frames of a clip have in common, 0 to 1
 */
export function drawFrameNoise(
  random: Pick<RandomSource, 'randn'>,
  shape: readonly number[],
  share: number,
): Float64Array {
  const own = Float64Array.from(random.randn(shape));
  const frames = framesOf(shape);
  if (frames === 1 || share === 0) return own;
  const one = shape.map((length, axis) => (axis === 2 ? 1 : length));
  const shared = Float64Array.from(random.randn(one), (value) => Math.sqrt(share) * value);
  return withShared(own, shared, shape, Math.sqrt(1 - share));
}

/** The gradient of a clip's noise, as a step along the gradient of its parts moves it. */
export function sharedGradient(
  gradient: Float64Array,
  shape: readonly number[],
  share: number,
): Float64Array {
  const frames = framesOf(shape);
  if (frames === 1 || share === 0) return gradient;
  const sum = new Float64Array(gradient.length / frames);
  for (let frame = 0; frame < frames; frame++) {
    frameLatent(gradient, shape, frame).forEach((value, i) => {
      sum[i] += share * value;
    });
  }
  return withShared(gradient, sum, shape, 1 - share);
}
