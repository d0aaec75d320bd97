/**
 * @file CLIP: images and texts in one space. Reference: transformers, models/clip/modeling_clip.py (CLIPModel);
 * Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision.
 */
import { div, scoped, sqrt, square, sum, type Tensor, type Weights } from '@sgool/autodiff';
import { linearLayer } from '../layers.ts';
import { textEncoder, tokenAt } from '../text/text-encoder.ts';
import type { ClipConfig } from './clip-config.ts';
import { visionTower } from './vision-tower.ts';

/** Mean of each colour channel (red, green, blue in [0, 1]) that CLIP's images are normalised with. */
export const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
/** Standard deviation of each colour channel that CLIP's images are normalised with. */
export const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;

/** What CLIP gives for images. */
export interface ClipImageResult {
  /** Unit vectors [batch, projection_dim]. */
  readonly embedding: Tensor;
  /**
   * Outputs of the first norm of each layer, [batch, 1 + patches, hidden_size]; the last one is the activation of
   * Grad-CAM. Its first token is the class token, the others are the patches row by row.
   */
  readonly normalisedInputs: readonly Tensor[];
  /** After the last layer, without the final norm, [batch, 1 + patches, hidden_size]. */
  readonly lastHiddenState: Tensor;
}

/** What CLIP gives for texts. */
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

/**
 * A CLIPModel: an image tower and a text tower, each followed by a linear projection into one space. The score of a pair is
 * the cosine of the two embeddings.
 *
 * @param weights under transformers' names
 */
export function clip(config: ClipConfig, weights: Weights): Clip {
  const project = (tower: string, pooled: Tensor) =>
    unitVectors(linearLayer(weights, `${tower}_projection`, pooled, config.projection_dim, { bias: false }));
  return {
    image(pixels) {
      // [batch, 3, side, side] -> pooled [batch, hidden_size] -> [batch, projection_dim].
      const { pooled, ...tokens } = visionTower(
        config.vision_config,
        scoped(weights, 'vision_model'),
        pixels,
      );
      return { embedding: project('visual', pooled), ...tokens };
    },
    text(ids, endPosition) {
      // [batch, tokens] -> [batch, tokens, hidden_size] -> the end token -> [batch, projection_dim].
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
