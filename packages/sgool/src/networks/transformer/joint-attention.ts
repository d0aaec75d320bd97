/**
 * @file Attention of two streams to each other: the tokens of the picture and those of the text have projections of their own and attend
 * as one sequence.
 *
 * Reference: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis" (MM-DiT); diffusers,
 * models/attention_processor.py (JointAttnProcessor2_0), models/transformers/transformer_flux.py.
 */
import {
  attention,
  concat,
  constant,
  expand,
  geluTanh,
  scoped,
  split,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { linearLayer, mergeHeads, rmsNormLayer, splitHeads } from '../layers.ts';

/** Names of the projections and norms of one stream. */
export interface StreamNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly queryNorm: string;
  readonly keyNorm: string;
  /** Of the projection after attention; undefined where nothing of the stream is needed any more. */
  readonly out?: string;
}

export const IMAGE_STREAM: StreamNames = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  queryNorm: 'norm_q',
  keyNorm: 'norm_k',
  out: 'to_out.0',
};
export const TEXT_STREAM: StreamNames = {
  query: 'add_q_proj',
  key: 'add_k_proj',
  value: 'add_v_proj',
  queryNorm: 'norm_added_q',
  keyNorm: 'norm_added_k',
  out: 'to_add_out',
};

export interface StreamAttentionOptions {
  readonly heads: number;
  /** Whether queries and keys are normalised for each head. */
  readonly normalised: boolean;
  /** Turns queries and keys [batch, heads, tokens, headWidth] by the places of the tokens. Default: they stay. */
  readonly rotate?: (x: Tensor) => Tensor;
  /** How many equal tokens the very last one stands for. Default 1. */
  readonly lastRepeats?: number;
}

/**
 * Attends over the tokens of all streams, in the order given.
 *
 * @param streams tokens [batch, count, width] of each, with its names below `name`
 * @returns the result of each stream, [batch, count, width], projected where it has a projection
 */
export function streamAttention(
  weights: Weights,
  name: string,
  streams: readonly (readonly [tokens: Tensor, names: StreamNames])[],
  { heads, normalised, rotate = (x) => x, lastRepeats = 1 }: StreamAttentionOptions,
): Tensor[] {
  const own = scoped(weights, name);
  const parts = streams.map(([x, names]) => {
    const width = x.shape[2];
    const projected = (part: string, norm?: string) => {
      const y = splitHeads(linearLayer(own, part, x, width), heads);
      return normalised && norm !== undefined ? rmsNormLayer(own, norm, y) : y;
    };
    return [
      projected(names.query, names.queryNorm),
      projected(names.key, names.keyNorm),
      projected(names.value),
    ] as const;
  });
  const joined = (which: 0 | 1 | 2) =>
    concat(
      parts.map((part) => part[which]),
      2,
    );
  const [q, k, v] = [rotate(joined(0)), rotate(joined(1)), joined(2)];
  const scale = 1 / Math.sqrt(q.shape[3]);
  const [queries, keys] = lastRepeats === 1 ? [q, k] : withRepeatedKey(q, k, lastRepeats, scale);
  const attended = mergeHeads(attention(queries, keys, v, { scale }));
  const counts = streams.map(([x]) => x.shape[1]);
  return split(attended, counts, 1).map((y, i) => {
    const { out } = streams[i][1];
    return out === undefined ? y : linearLayer(own, out, y, y.shape[2]);
  });
}

/**
 * Queries and keys of which the last key counts `count` times, as if so many equal ones stood there: `count·exp(s)` is
 * `exp(s + log count)`, and a further element of each head, 1 in the queries, adds the logarithm.
 *
 * @param q, k [batch, heads, tokens, headWidth]
 * @param scale of the scores
 */
function withRepeatedKey(q: Tensor, k: Tensor, count: number, scale: number): readonly [Tensor, Tensor] {
  const beside = (x: Tensor, values: Float32Array) => {
    const [batch, heads, tokens] = x.shape as [number, number, number];
    const more = constant({ dtype: 'float32', shape: [1, 1, tokens, 1], data: values });
    return concat([x, expand(more, [batch, heads, tokens, 1])], 3);
  };
  const logs = new Float32Array(k.shape[2]);
  logs[logs.length - 1] = Math.log(count) / scale;
  return [beside(q, new Float32Array(q.shape[2]).fill(1)), beside(k, logs)];
}

/** The perceptron of a block, four times as wide inside. */
export function feedForward(weights: Weights, name: string, x: Tensor): Tensor {
  const width = x.shape[2];
  const wide = geluTanh(linearLayer(weights, `${name}.net.0.proj`, x, 4 * width));
  return linearLayer(weights, `${name}.net.2`, wide, width);
}
