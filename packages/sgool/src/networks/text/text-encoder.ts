/** @file CLIP's text transformer, the text encoder of Stable Diffusion. Reference: transformers, CLIPTextModel. */
import {
  add,
  concat,
  constant,
  embedding,
  gather,
  reshape,
  scoped,
  slice,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { layerNormLayer } from '../layers.ts';
import { causalMask, clipEncoder } from './clip-encoder.ts';
import type { ClipTextConfig } from './text-encoder-config.ts';

/** What the text encoder gives. */
export interface TextEncoderResult {
  /** [batch, tokens, width], after the final layer norm: what Stable Diffusion conditions on. */
  readonly lastHiddenState: Tensor;
  /**
   * The embeddings, and the output of each layer in order, without the final layer norm, each [batch, tokens, width]: what
   * transformers calls `hidden_states`.
   */
  readonly hiddenStates: readonly Tensor[];
}

/**
 * Token ids [batch, tokens] (int32) to hidden states.
 *
 * @param hidden added to the scores of every token, [1, 1, 1, tokens]: a large negative number for one that no other attends to
 */
export type TextEncoder = (ids: Tensor, hidden?: Tensor) => TextEncoderResult;

/**
 * A CLIPTextModel.
 *
 * @param weights under transformers' names, with or without `text_model.` in front (transformers 5 leaves it out)
 * @param embeddings rows behind the table of tokens, [rows, width]: the ids from `vocab_size` on
 * @throws UserError when a sequence is longer than the positions that were trained
 */
export function textEncoder(
  config: ClipTextConfig,
  weights: Weights,
  embeddings: Float32Array = new Float32Array(),
): TextEncoder {
  const probe = 'embeddings.token_embedding.weight';
  const bare = weights.has(probe) && !weights.has(`text_model.${probe}`);
  const own = bare ? weights : scoped(weights, 'text_model');
  return (ids, hidden) => {
    const length = ids.shape[1];
    const { max_position_embeddings: longest, hidden_size: width } = config;
    if (ids.rank !== 2 || length > longest) {
      throw new UserError(`textEncoder: ids must be [batch, at most ${longest}], got [${ids.shape}]`);
    }
    // Tokens plus positions: [batch, tokens] -> [batch, tokens, width].
    const table = own.get('embeddings.token_embedding.weight', [config.vocab_size, width]);
    const rows = { dtype: 'float32' as const, shape: [embeddings.length / width, width], data: embeddings };
    const tokens = embedding(ids, embeddings.length === 0 ? table : concat([table, constant(rows)], 0));
    const positions = own.get('embeddings.position_embedding.weight', [longest, width]);
    const x = add(tokens, slice(positions, [{ axis: 0, start: 0, end: length }]));
    // Causal transformer and final layer norm, of the same shape.
    const causal = causalMask(length);
    const mask = hidden === undefined ? causal : add(causal, hidden);
    const { output, hiddenStates } = clipEncoder(config, scoped(own, 'encoder'), x, mask);
    const lastHiddenState = layerNormLayer(own, 'final_layer_norm', output, config.layer_norm_eps);
    return { lastHiddenState, hiddenStates };
  };
}

/**
 * One token of each sequence.
 *
 * @param tokens [batch, length, width]
 * @param position int32 [batch], for pooled text the place of the end token
 * @returns [batch, width]
 */
export function tokenAt(tokens: Tensor, position: Tensor): Tensor {
  const [batch, length, width] = tokens.shape as [number, number, number];
  const starts = constant({
    dtype: 'int32',
    shape: [batch],
    data: Int32Array.from({ length: batch }, (_, i) => i * length),
  });
  return gather(reshape(tokens, [batch * length, width]), add(position, starts));
}
