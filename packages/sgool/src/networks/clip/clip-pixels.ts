/** @file The input of CLIP's image tower, inside a trace. */
import { constant, div, sub, type Tensor } from '@sgool/autodiff';
import { CLIP_MEAN, CLIP_STD } from './clip.ts';

/** Planes [batch, 3, side, side] in [0, 1], normalised with CLIP's mean and standard deviation per colour. */
export function clipPixels(planes: Tensor): Tensor {
  const perChannel = (values: readonly number[]) =>
    constant({ dtype: 'float32', shape: [1, 3, 1, 1], data: Float32Array.from(values) });
  return div(sub(planes, perChannel(CLIP_MEAN)), perChannel(CLIP_STD));
}
