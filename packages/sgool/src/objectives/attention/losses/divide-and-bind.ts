/**
 * @file Divide and Bind's loss: the thing that is attended to least shall have much contrast in its map, and an attribute the map of its
 * thing.
 *
 *     attend   -min over things of the total variation: mean |difference of rows| + mean |difference of columns|
 *     bind     Jensen-Shannon divergence of attribute and thing, each a softmax over the positions
 *
 * Departures from the published code: the vertical differences are between neighbours (there the last row is compared with all rows),
 * the divergence has weight 1 at every step, as in the paper, and no part of the maps is cut off.
 *
 * Reference: Li et al. 2023, "Divide & Bind Your Attention for Improved Generative Semantic Nursing", equations 4 to 6.
 */
import {
  abs,
  add,
  exp,
  log,
  logSoftmax,
  mean,
  min,
  mul,
  neg,
  reshape,
  slice,
  sub,
  sum,
  type Tensor,
} from '@sgool/autodiff';
import { smoothed } from '../word-maps.ts';
import type { AttentionLoss } from './attention-loss.ts';
import { chosen, sides } from './terms.ts';

/** Mean absolute difference of neighbours along an axis, for each map; 0 where there is one position only. */
function variation(maps: Tensor, axis: 1 | 2): Tensor {
  const length = maps.shape[axis];
  const after = slice(maps, [{ axis, start: Math.min(1, length - 1), end: length }]);
  const before = slice(maps, [{ axis, start: 0, end: Math.max(1, length - 1) }]);
  return mean(abs(sub(after, before)), { axes: [1, 2] });
}

/** Jensen-Shannon divergence, in nats, of the softmaxes of two maps; the sum over all pairs. */
function divergence(first: Tensor, second: Tensor): Tensor {
  const flat = (x: Tensor) => logSoftmax(reshape(x, [x.shape[0], x.shape[1] * x.shape[2]]));
  const [p, q] = [flat(first), flat(second)];
  const middle = log(mul(0.5, add(exp(p), exp(q))));
  const fromMiddle = (x: Tensor) => sum(mul(exp(x), sub(x, middle)));
  return mul(0.5, add(fromMiddle(p), fromMiddle(q)));
}

export const divideAndBind: AttentionLoss = ({ sharpened, requirement: { exists, belongs } }) => {
  const terms: Tensor[] = [];
  let presence: Tensor | undefined;
  if (exists.length > 0) {
    const maps = smoothed(chosen(sharpened, exists));
    presence = min(add(variation(maps, 1), variation(maps, 2)));
    terms.push(neg(presence));
  }
  if (belongs.length > 0) {
    const [attribute, thing] = sides(sharpened, belongs);
    terms.push(divergence(attribute, thing));
  }
  return { loss: terms.reduce((all, term) => add(all, term)), ...(presence && { presence }) };
};
