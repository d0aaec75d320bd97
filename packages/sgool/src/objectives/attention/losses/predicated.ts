/**
 * @file Predicated Diffusion's loss: the requirement as a proposition of fuzzy logic. The map of a word is how true the word is at each
 * position; a proposition of truth T costs -log T, so "and" is a sum.
 *
 *     exists P            -log(1 - Π (1 - P))           some position is a P
 *     P apart from Q      -Σ log(1 - P Q)               no position is both
 *     A belongs to P      -Σ log(1 - A (1 - P)) - Σ log(1 - P (1 - A))    each is where the other is
 *
 * Reference: Sueyoshi and Matsubara 2024, "Predicated Diffusion", section 4, with the product as "and". How maps become truths is a choice
 * of this project: the sharpened maps of Attend-and-Excite.
 */
import { add, clip, exp, log, min, mul, neg, sub, sum, type Tensor } from '@sgool/autodiff';
import type { AttentionLoss } from './attention-loss.ts';
import { chosen, sides } from './terms.ts';

/** Truths stay this far from 0 and 1, where the logarithm of float32 ends. */
const LEAST = 1e-6;
const truth = (x: Tensor) => clip(x, LEAST, 1 - LEAST);

/** log(1 - x) for truths. */
const logNot = (x: Tensor) => log(truth(sub(1, x)));

export const predicated: AttentionLoss = ({ sharpened, requirement: { exists, apart, belongs } }) => {
  const terms: Tensor[] = [];
  let presence: Tensor | undefined;
  if (exists.length > 0) {
    const nowhere = exp(sum(logNot(chosen(sharpened, exists)), { axes: [1, 2] }));
    const somewhere = sub(1, nowhere);
    terms.push(neg(sum(logNot(nowhere))));
    presence = min(somewhere);
  }
  if (apart.length > 0) {
    const [first, second] = sides(sharpened, apart);
    terms.push(neg(sum(logNot(mul(first, second)))));
  }
  if (belongs.length > 0) {
    const [attribute, thing] = sides(sharpened, belongs);
    const implied = (one: Tensor, other: Tensor) => neg(sum(logNot(mul(one, sub(1, other)))));
    terms.push(add(implied(attribute, thing), implied(thing, attribute)));
  }
  return { loss: terms.reduce((all, term) => add(all, term)), ...(presence && { presence }) };
};
