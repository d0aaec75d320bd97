/** @file The residual block of the UNet and of the autoencoder. Reference: diffusers, models/resnet.py, ResnetBlock2D. */
import { add, reshape, type Tensor, type Weights } from '@sgool/autodiff';
import { convLayer, groupNormLayer, linearLayer } from './layers.ts';

/** Sizes and conditions of a residual block. */
export interface ResnetBlockOptions {
  /** Groups of both group norms. */
  readonly groups: number;
  readonly eps: number;
  /** SiLU of the time embedding, [batch, width]; the autoencoder has none. */
  readonly activatedTime?: Tensor;
}

/**
 * Group norm, SiLU, convolution, plus the projected time; group norm, SiLU, convolution, plus the input (through a 1x1
 * convolution where the number of channels changes).
 *
 * @param weights scoped to the block
 * @param x [batch, channels, h, w]
 * @returns [batch, outChannels, h, w]
 */
export function resnetBlock(
  weights: Weights,
  x: Tensor,
  outChannels: number,
  { groups, eps, activatedTime }: ResnetBlockOptions,
): Tensor {
  let hidden = groupNormLayer(weights, 'norm1', x, groups, eps, { silu: true });
  hidden = convLayer(weights, 'conv1', hidden, outChannels);
  if (activatedTime) {
    const time = linearLayer(weights, 'time_emb_proj', activatedTime, outChannels);
    hidden = add(hidden, reshape(time, [time.shape[0], outChannels, 1, 1]));
  }
  hidden = groupNormLayer(weights, 'norm2', hidden, groups, eps, { silu: true });
  hidden = convLayer(weights, 'conv2', hidden, outChannels);
  const shortcut =
    x.shape[1] === outChannels ? x : convLayer(weights, 'conv_shortcut', x, outChannels, { kernel: 1 });
  return add(shortcut, hidden);
}
