/**
 * @file CLIP: images and texts in one space. Reference: transformers, models/clip/modeling_clip.py (CLIPModel);
 * Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision.
 */
import {
  add,
  concat,
  conv2d,
  div,
  expand,
  reshape,
  scoped,
  slice,
  sqrt,
  square,
  sum,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import type { ClipConfig, ClipVisionConfig } from '../config.ts';
import { layerNormLayer, linearLayer, mapToTokens } from '../layers.ts';
import { clipEncoder } from '../text/clip-encoder.ts';
import { textEncoder, tokenAt } from '../text/text-encoder.ts';

/** Mean of each colour channel (red, green, blue in [0, 1]) that CLIP's images are normalised with. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
/** Standard deviation of each colour channel that CLIP's images are normalised with. */
export const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;

export interface ClipImageResult {
  /** Unit vectors [batch, projection_dim]. */
  readonly embedding: Tensor;
  /**
   * What each layer's first norm gives out, [batch, 1 + patches, hidden_size]; the last one is the activation of
   * Grad-CAM. Its first token is the class token, the others are the patches row by row.
   */
  readonly normalisedInputs: readonly Tensor[];
  /** After the last layer, without the final norm, [batch, 1 + patches, hidden_size]. */
  readonly lastHiddenState: Tensor;
}

export interface ClipTextResult {
  /** Unit vectors [batch, projection_dim]. */
  readonly embedding: Tensor;
  /** After the final layer norm, [batch, tokens, hidden_size]. */
  readonly lastHiddenState: Tensor;
}

/** Both towers; only what is called is traced. */
export interface Clip {
  /** @param pixels [batch, 3, image_size, image_size], normalised with `CLIP_MEAN` and `CLIP_STD` */
  image(pixels: Tensor): ClipImageResult;
  /**
   * @param ids int32 [batch, tokens]
   * @param endPosition int32 [batch]: the place of the first end token in each sequence
   */
  text(ids: Tensor, endPosition: Tensor): ClipTextResult;
  /** Logarithm of the factor that turns cosines into logits, a scalar. */
  logitScale(): Tensor;
}

/** A CLIPModel. */
export function clip(config: ClipConfig, weights: Weights): Clip {
  const project = (tower: string, pooled: Tensor) =>
    unitVectors(linearLayer(weights, `${tower}_projection`, pooled, config.projection_dim, { bias: false }));
  return {
    image(pixels) {
      const { pooled, ...tokens } = visionTower(
        config.vision_config,
        scoped(weights, 'vision_model'),
        pixels,
      );
      return { embedding: project('visual', pooled), ...tokens };
    },
    text(ids, endPosition) {
      const { lastHiddenState } = textEncoder(config.text_config, weights)(ids);
      return { embedding: project('text', tokenAt(lastHiddenState, endPosition)), lastHiddenState };
    },
    logitScale: () => weights.get('logit_scale', []),
  };
}

/** `x / |x|` over the last axis. */
function unitVectors(x: Tensor): Tensor {
  return div(x, sqrt(sum(square(x), { axes: [-1], keepDims: true })));
}

function visionTower(config: ClipVisionConfig, weights: Weights, pixels: Tensor) {
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
  const embeddings = scoped(weights, 'embeddings');
  const kernel = embeddings.get('patch_embedding.weight', [width, channels, patch, patch]);
  const patches = mapToTokens(conv2d(pixels, kernel, undefined, { stride: patch }));
  const classToken = reshape(embeddings.get('class_embedding', [width]), [1, 1, width]);
  const tokens = concat([expand(classToken, [batch, 1, width]), patches], 1);
  const positions = embeddings.get('position_embedding.weight', [tokens.shape[1], width]);
  const eps = config.layer_norm_eps;
  // The published name has a typing error that every checkpoint keeps.
  const start = layerNormLayer(weights, 'pre_layrnorm', add(tokens, positions), eps);
  const { output, normalisedInputs } = clipEncoder(config, scoped(weights, 'encoder'), start);
  const first = reshape(slice(output, [{ axis: 1, start: 0, end: 1 }]), [batch, width]);
  return {
    pooled: layerNormLayer(weights, 'post_layernorm', first, eps),
    normalisedInputs,
    lastHiddenState: output,
  };
}
