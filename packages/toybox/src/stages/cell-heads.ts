/**
 * @file What covers each cell of an image, as labels, and two linear heads that predict it from the tokens of a network. The heads are
 * dropped after training: they make a small network learn early where things are and which colour belongs to which.
 *
 * Reference: Yu et al. 2024, "Representation Alignment for Generation" (REPA), has such a loss, with another network's features in the
 * place of truth.
 */

import { add, div, linear, logSoftmax, mul, neg, sum, type Tensor, type Weights } from '@sgool/autodiff';
import { COLOURS, KINDS } from 'sgool/evaluate';
import type { Scene } from '../world/scene.ts';

/** The kinds, or the colours, and "none" as the last class. */
export const KIND_CLASSES = KINDS.length + 1;
export const COLOUR_CLASSES = COLOURS.length + 1;
/** Weight of cells without a thing: most cells have none, which is learned soon, while shapes are learned slowly. */
const EMPTY_WEIGHT = 0.15;
/** One-hot labels of a batch, [images, cells, classes], with the weight of each cell. */
export interface CellLabels<Values> {
  readonly kinds: Values;
  readonly colours: Values;
}

/** Writes the labels of one image's cells, which `thingOfCells` gave, at `slot` of a batch. */
export function writeCellLabels(
  cells: Int8Array,
  { objects }: Pick<Scene, 'objects'>,
  { kinds, colours }: CellLabels<Float32Array>,
  slot: number,
): void {
  cells.forEach((index, at) => {
    const thing = objects[index];
    const weight = thing ? 1 : EMPTY_WEIGHT;
    const cell = slot * cells.length + at;
    kinds[cell * KIND_CLASSES + (thing ? KINDS.indexOf(thing.kind) : KINDS.length)] = weight;
    colours[cell * COLOUR_CLASSES + (thing ? COLOURS.indexOf(thing.colour) : COLOURS.length)] = weight;
  });
}

/**
 * Cross-entropy of kinds plus that of colours.
 *
 * @param weights of the heads, `kind` and `colour`
 * @param tokens [images, cells, width]
 */
export function cellLoss(weights: Weights, tokens: Tensor, { kinds, colours }: CellLabels<Tensor>): Tensor {
  const width = tokens.shape[2];
  const head = (name: string, classes: number, target: Tensor) => {
    const logits = linear(
      tokens,
      weights.get(`${name}.weight`, [classes, width]),
      weights.get(`${name}.bias`, [classes]),
    );
    return crossEntropy(logits, target);
  };
  return add(head('kind', KIND_CLASSES, kinds), head('colour', COLOUR_CLASSES, colours));
}

/** Mean over rows of the cross-entropy with one-hot targets, which may carry a weight. */
export function crossEntropy(logits: Tensor, target: Tensor): Tensor {
  return neg(div(sum(mul(logSoftmax(logits), target)), sum(target)));
}
