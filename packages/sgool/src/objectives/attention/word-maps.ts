/**
 * @file Attention maps of words, inside a trace: how the maps of several layers and heads become one map for each word.
 *
 * Reference: Chefer et al. 2023, "Attend-and-Excite", section 4 and its published code, which names no equation for the kernel.
 */
import {
  concat,
  constant,
  matmul,
  mean,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  transpose,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import type { CrossAttentionLayer } from '../../models/cross-attention.ts';

/** Factor on probabilities before they are compared among the tokens of the prompt. */
const SHARPNESS = 100;

/** Maps of the words of a requirement, inside a trace. Values are in [0, 1]. */
export interface WordMaps {
  /** [words, rows, columns]: each position shares 1 among all tokens but the first and the last; by far the most goes to one. */
  readonly sharpened: Tensor;
  /** [words, rows, columns]: probabilities as they are. */
  readonly plain: Tensor;
  /** [tokens, rows, columns]: the same of every token. */
  readonly tokens: Tensor;
}

/**
 * The layers with the largest maps whose shorter side has at most so many positions.
 *
 * @throws UserError where all maps are larger
 */
export function layersUpTo(layers: readonly CrossAttentionLayer[], side: number): CrossAttentionLayer[] {
  const shorter = ({ rows, columns }: CrossAttentionLayer) => Math.min(rows, columns);
  const fitting = layers.filter((layer) => shorter(layer) <= side);
  const best = Math.max(...fitting.map(shorter));
  if (fitting.length > 0) return fitting.filter((layer) => shorter(layer) === best);
  const sizes = [...new Set(layers.map(({ rows, columns }) => `${rows}x${columns}`))].join(', ');
  throw new UserError(
    `attention: there are no maps whose shorter side has at most ${side} positions; the network has maps of ${sizes}`,
  );
}

/**
 * The mean over all heads of all layers.
 *
 * @param maps each [heads, rows, columns, tokens], of one size
 * @returns [rows, columns, tokens]
 */
export function meanOfHeads(maps: readonly Tensor[]): Tensor {
  return mean(concat(maps, 0), { axes: [0] });
}

/**
 * The maps of some words.
 *
 * @param maps of all tokens, [rows, columns, tokens]
 * @param words [words, tokens]: the share of each token in each word
 */
export function wordMaps(maps: Tensor, words: Tensor): WordMaps {
  const [rows, columns, tokens] = maps.shape as [number, number, number];
  const positions = reshape(maps, [rows * columns, tokens]);
  const inner = (x: Tensor) => slice(x, [{ axis: 1, start: 1, end: tokens - 1 }]);
  const sharpened = softmax(mul(SHARPNESS, inner(positions)));
  const of = (values: Tensor, shares: Tensor) =>
    reshape(matmul(shares, transpose(values, [1, 0])), [shares.shape[0], rows, columns]);
  return {
    sharpened: of(sharpened, inner(words)),
    plain: of(positions, words),
    tokens: transpose(maps, [2, 0, 1]),
  };
}

/** What {@link wordMaps} reads of words, [words, tokens]: each word shares 1 among its tokens. */
export function tokenShares(words: readonly (readonly number[])[], tokens: number): Float32Array {
  return Float32Array.from(
    words.flatMap((own) =>
      Array.from({ length: tokens }, (_, at) => (own.includes(at) ? 1 / own.length : 0)),
    ),
  );
}

/** Weights of a position and its neighbours: exp(-1), 1, exp(-1) over their sum. */
const KERNEL = [Math.exp(-1), 1, Math.exp(-1)].map((weight) => weight / (1 + 2 * Math.exp(-1)));

/**
 * Maps smoothed by a 3x3 kernel, mirrored at their edges. The published code calls it a Gaussian of σ = 0.5, but computes
 * `exp(-(d / 2σ)²)`, that is `exp(-d²)`; so does this.
 *
 * @param maps [words, rows, columns]
 */
export function smoothed(maps: Tensor): Tensor {
  const [, rows, columns] = maps.shape;
  return matmul(matmul(smoothing(rows), maps), transpose(smoothing(columns), [1, 0]));
}

/** The kernel along one axis, as a matrix [side, side]. */
function smoothing(side: number): Tensor {
  const data = new Float32Array(side * side);
  // A map of one position is its own neighbour.
  const mirrored = (at: number) => Math.min(side - 1, Math.abs(at), Math.max(0, 2 * (side - 1) - at));
  for (let i = 0; i < side; i++) {
    KERNEL.forEach((weight, k) => {
      data[i * side + mirrored(i + k - 1)] += weight;
    });
  }
  return constant({ dtype: 'float32', shape: [side, side], data });
}
