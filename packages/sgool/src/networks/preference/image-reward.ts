/**
 * @file ImageReward: BLIP with a reward on top. Reference: Xu et al. 2023, ImageReward: Learning and Evaluating Human
 * Preferences for Text-to-Image Generation; github.com/THUDM/ImageReward.
 */
import { div, reshape, scoped, slice, sub, type Tensor, type Weights } from '@sgool/autodiff';
import { linearLayer } from '../layers.ts';
import { blipText } from './blip-text.ts';
import { blipVision } from './blip-vision.ts';
import type { ImageRewardConfig } from './image-reward-config.ts';

/** What ImageReward reads. */
export interface ImageRewardInputs {
  /** [batch, 3, image_size, image_size], normalised with `CLIP_MEAN` and `CLIP_STD`. */
  readonly pixels: Tensor;
  /** int32 [batch, tokens] */
  readonly ids: Tensor;
  /** [batch, tokens]: 1 for a word, 0 for padding. */
  readonly words: Tensor;
}

/** Indices of the linear layers among the dropouts of the published code; there are no activations. */
const MLP_LAYERS = [0, 2, 4, 6, 7];

/**
 * An ImageReward model: rewards [batch], standardised to mean 0 and deviation 1 over its validation set.
 *
 * @param weights under the published names
 */
export function imageReward(
  config: ImageRewardConfig,
  weights: Weights,
): (inputs: ImageRewardInputs) => Tensor {
  return ({ pixels, ids, words }) => {
    // Image tokens [batch, 1 + patches, width], then text tokens that attend to them [batch, tokens, width].
    const image = blipVision(config.vision_config, scoped(weights, 'blip.visual_encoder'), pixels);
    const states = blipText(config.text_config, scoped(weights, 'blip.text_encoder'), ids, words, image);
    const [batch, , width] = states.shape as [number, number, number];
    // The first token [batch, width] through linear layers to one number.
    let hidden = reshape(slice(states, [{ axis: 1, start: 0, end: 1 }]), [batch, width]);
    [...config.mlp, 1].forEach((features, i) => {
      hidden = linearLayer(weights, `mlp.layers.${MLP_LAYERS[i]}`, hidden, features);
    });
    return div(sub(reshape(hidden, [batch]), config.reward_mean), config.reward_std);
  };
}
