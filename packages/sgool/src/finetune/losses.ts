/**
 * @file The losses of Separate-and-Enhance over cross-attention maps, inside a trace.
 *
 * Departures from the published code: every sample of a batch counts (it keeps half of the batch), and the loss of each
 * sample is its own, to be averaged (it takes one maximum over all).
 *
 * Reference: Bao et al. 2024, "Separate-and-Enhance: Compositional Finetuning for Text2Image Diffusion Models", section 4.
 */
import {
  add,
  div,
  matmul,
  max,
  mean,
  min,
  mul,
  reshape,
  split,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  transposeLast,
} from '@sgool/autodiff';
import { smoothed } from '../objectives/attention/word-maps.ts';

/** Keeps a map that is zero everywhere in float32 from being divided by zero; far below any attention that matters. */
const TINY = 1e-12;

/**
 * The attention map of each object: the mean over layers, then over the tokens of its word.
 *
 * @param layers probabilities of each layer, [batch, heads, positions, tokens], all of one shape
 * @param words share of each token in the word of each object, [batch, objects, tokens]; each row sums to 1
 * @returns [batch, objects, heads, positions]; heads stay apart, as in the published code
 */
export function objectMaps(layers: readonly Tensor[], words: Tensor): Tensor {
  const [batch, heads, positions, tokens] = layers[0].shape as [number, number, number, number];
  const objects = words.shape[1];
  const average = mul(
    layers.reduce((all, layer) => add(all, layer)),
    1 / layers.length,
  );
  const flat = reshape(average, [batch, heads * positions, tokens]);
  // [batch, heads * positions, objects]
  const maps = matmul(flat, transposeLast(words));
  return reshape(transpose(maps, [0, 2, 1]), [batch, objects, heads, positions]);
}

/**
 * How much the maps of the objects overlap where they overlap most: `max(Π M_i / Σ M_i)` over heads and positions.
 *
 * @param maps [batch, objects, heads, positions], two objects or more
 * @returns [batch], from 0 to 1 / objects
 */
export function separateLoss(maps: Tensor): Tensor {
  const ones = Array.from({ length: maps.shape[1] }, () => 1);
  const product = split(maps, ones, 1).reduce((all, one) => mul(all, one));
  const total = add(sum(maps, { axes: [1], keepDims: true }), TINY);
  return max(div(product, total), { axes: [1, 2, 3] });
}

/**
 * How little attention the most neglected object gets: `1 - min_i max(smooth(M_i))`, the maximum over heads and positions.
 *
 * @param maps [batch, objects, heads, height * width]
 * @returns [batch], from 0 to 1
 */
export function enhanceLoss(maps: Tensor, height: number, width: number): Tensor {
  const [batch, objects, heads] = maps.shape as [number, number, number];
  const planes = reshape(maps, [batch * objects * heads, height, width]);
  const strongest = max(reshape(smoothed(planes), [batch, objects, heads * height * width]), { axes: [2] });
  return sub(1, min(strongest, { axes: [1] }));
}

/**
 * The regulariser: the mean squared difference of two predictions.
 *
 * @param prediction [batch, ...]
 * @param target of the same shape
 * @returns [batch]
 */
export function normLoss(prediction: Tensor, target: Tensor): Tensor {
  const axes = prediction.shape.map((_, axis) => axis).slice(1);
  return mean(square(sub(prediction, target)), { axes });
}
