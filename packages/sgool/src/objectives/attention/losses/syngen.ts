/**
 * @file SynGen's loss: an attribute and its thing shall have the same map, and a map unlike those of all other words.
 *
 *     L = Σ over pairs (a, t) of D(a, t) - mean over other tokens u of (D(a, u) + D(t, u)) / 2
 *     D(p, q) = KL(p, q) / 2 + KL(q, p) / 2, of maps that sum to 1
 *
 * Reference: Rassin et al. 2023, "Linguistic Binding in Diffusion Models: Enhancing Attribute Correspondence through Attention Map
 * Alignment", equations 2 to 4. "Other" tokens are those of the prompt that are in no pair.
 */
import { add, clip, div, log, mul, reshape, sub, sum, type Tensor } from '@sgool/autodiff';
import type { AttentionLoss } from './attention-loss.ts';
import { sides } from './terms.ts';

/** Maps as distributions over their positions, [maps, positions]. */
function distributions(maps: Tensor): Tensor {
  const flat = reshape(maps, [maps.shape[0], maps.shape[1] * maps.shape[2]]);
  return div(flat, sum(flat, { axes: [1], keepDims: true }));
}

/** Symmetric Kullback-Leibler divergence over the last axis; leading axes broadcast. */
function distance(p: Tensor, q: Tensor): Tensor {
  // KL(p, q) + KL(q, p) = Σ (p - q) (log p - log q)
  const logOf = (x: Tensor) => log(clip(x, 1e-12, 1));
  return mul(0.5, sum(mul(sub(p, q), sub(logOf(p), logOf(q))), { axes: [-1] }));
}

export const synGen: AttentionLoss = ({ plain, tokens, unrelated, requirement: { belongs } }) => {
  const [attribute, thing] = sides(plain, belongs).map(distributions) as [Tensor, Tensor];
  const everyToken = distributions(tokens);
  /** Mean distance of each pair's side to the other tokens, [pairs]. */
  const toOthers = (side: Tensor) => {
    const one = reshape(side, [side.shape[0], 1, side.shape[1]]);
    return sum(mul(distance(one, everyToken), unrelated), { axes: [1] });
  };
  const apart = mul(0.5, add(toOthers(attribute), toOthers(thing)));
  return { loss: sum(sub(distance(attribute, thing), apart)) };
};
