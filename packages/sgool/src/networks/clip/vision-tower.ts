/** @file The image tower of CLIP. Reference: transformers, models/clip/modeling_clip.py (CLIPVisionTransformer). */
import {
  add,
  concat,
  conv2d,
  expand,
  reshape,
  scoped,
  slice,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { layerNormLayer, mapToTokens } from '../layers.ts';
import { clipEncoder } from '../text/clip-encoder.ts';
import type { ClipVisionConfig } from './clip-config.ts';

/** What the image tower gives. */
export interface VisionTowerResult {
  /** The class token after the final layer norm, [batch, hidden_size]. */
  readonly pooled: Tensor;
  /** Outputs of the first norm of each layer, [batch, 1 + patches, hidden_size]. */
  readonly normalisedInputs: readonly Tensor[];
  /** After the last layer, without the final norm, [batch, 1 + patches, hidden_size]. */
  readonly lastHiddenState: Tensor;
}

/**
 * CLIP's vision transformer.
 *
 * @param weights scoped to `vision_model`
 * @param pixels [batch, channels, image_size, image_size], normalised
 * @throws UserError when the pixels have another shape
 */
export function visionTower(config: ClipVisionConfig, weights: Weights, pixels: Tensor): VisionTowerResult {
  const { hidden_size: width, image_size: size, patch_size: patch, num_channels: channels } = config;
  const [batch] = pixels.shape as [number];
  if (
    pixels.rank !== 4 ||
    pixels.shape[1] !== channels ||
    pixels.shape[2] !== size ||
    pixels.shape[3] !== size
  ) {
    throw new UserError(`clip: pixels must be [batch, ${channels}, ${size}, ${size}], got [${pixels.shape}]`);
  }
  // Patches to tokens: [batch, (size / patch)^2, hidden_size], the class token before them, plus positions.
  const embeddings = scoped(weights, 'embeddings');
  const kernel = embeddings.get('patch_embedding.weight', [width, channels, patch, patch]);
  const patches = mapToTokens(conv2d(pixels, kernel, undefined, { stride: patch }));
  const classToken = reshape(embeddings.get('class_embedding', [width]), [1, 1, width]);
  const tokens = concat([expand(classToken, [batch, 1, width]), patches], 1);
  const positions = embeddings.get('position_embedding.weight', [tokens.shape[1], width]);
  const eps = config.layer_norm_eps;
  // Transformer: [batch, 1 + patches, hidden_size]. The published name of the norm has a typing error.
  const start = layerNormLayer(weights, 'pre_layrnorm', add(tokens, positions), eps);
  const { output, normalisedInputs } = clipEncoder(config, scoped(weights, 'encoder'), start);
  // Pooling: the class token alone, [batch, hidden_size].
  const first = reshape(slice(output, [{ axis: 1, start: 0, end: 1 }]), [batch, width]);
  return {
    pooled: layerNormLayer(weights, 'post_layernorm', first, eps),
    normalisedInputs,
    lastHiddenState: output,
  };
}
