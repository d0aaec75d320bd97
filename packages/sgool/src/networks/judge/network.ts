/**
 * @file The judge: a small convolutional detector of Toybox's things, their colours and places. It is for scoring; as the saliency model
 * `judge` it shows what perfect regions would be worth, and then it scores nothing. Its architecture has nothing in common with CLIP's or the UNet's.
 *
 * On a 16 x 16 grid it predicts for each kind a heat map (is the centre of such a thing in this cell?), and for each cell and
 * kind the colour, the box and two traits that distinguish relations: whether another thing covers a part of it, and whether it
 * is drawn hollow because something is inside. Reference: Zhou et al. 2019, Objects as Points (CenterNet), for the targets.
 */

import {
  add,
  conv2d,
  groupNorm,
  reshape,
  scoped,
  silu,
  type Tensor,
  transpose,
  type Weights,
} from '@sgool/autodiff';
import { COLOURS, KINDS } from './vocabulary.ts';

/** Side of the judge's square images, in pixels. */
export const JUDGE_IMAGE = 128;
/** Side of the judge's square output maps, in cells. */
export const JUDGE_GRID = 16;
/** Traits of a cell and kind: x and y offset in the cell, width, height, logit of being covered, logit of being hollow. */
export const JUDGE_TRAITS = 6;
const WIDTHS = [24, 48, 96] as const;
const DILATIONS = [1, 2, 4, 2] as const;

/** What the judge predicts. */
export interface JudgeOutputs {
  /** [batch, kinds, grid, grid], logits. */
  readonly heat: Tensor;
  /** [batch, grid, grid, kinds, colours], logits. */
  readonly colour: Tensor;
  /** [batch, grid, grid, kinds, traits]. */
  readonly traits: Tensor;
}

/**
 * The judge's network.
 *
 * @param image [batch, 3, 128, 128] in [0, 1]
 */
export function judgeNetwork(weights: Weights, image: Tensor): JudgeOutputs {
  const batch = image.shape[0];
  const conv = (x: Tensor, name: string, out: number, kernel: number, stride = 1, dilation = 1) => {
    const w = scoped(weights, name);
    const inside = x.shape[1];
    return conv2d(x, w.get('weight', [out, inside, kernel, kernel]), w.get('bias', [out]), {
      stride,
      dilation,
      padding: dilation * ((kernel - 1) / 2),
    });
  };
  const norm = (x: Tensor, name: string) => {
    const w = scoped(weights, name);
    const channels = x.shape[1];
    return groupNorm(x, 8, w.get('weight', [channels]), w.get('bias', [channels]));
  };
  let x = image;
  WIDTHS.forEach((width, i) => {
    x = silu(norm(conv(x, `down.${i}.conv`, width, i === 0 ? 5 : 3, 2), `down.${i}.norm`));
  });
  DILATIONS.forEach((dilation, i) => {
    const inner = silu(norm(conv(x, `blocks.${i}.conv1`, x.shape[1], 3, 1, dilation), `blocks.${i}.norm1`));
    x = silu(add(x, norm(conv(inner, `blocks.${i}.conv2`, x.shape[1], 3), `blocks.${i}.norm2`)));
  });
  const kinds = KINDS.length;
  const perKind = (name: string, count: number) =>
    reshape(transpose(conv(x, name, kinds * count, 1), [0, 2, 3, 1]), [
      batch,
      JUDGE_GRID,
      JUDGE_GRID,
      kinds,
      count,
    ]);
  return {
    heat: conv(x, 'heat', kinds, 1),
    colour: perKind('colour', COLOURS.length),
    traits: perKind('traits', JUDGE_TRAITS),
  };
}
