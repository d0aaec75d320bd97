/**
 * @file Attend-and-Excite's loss: the thing that is attended to least shall have one place of full attention.
 *
 *     L = max over things of (1 - max over positions of the smoothed map)
 *
 * The published max(0, ...) is left out: no map exceeds 1.
 *
 * It is the proposition of `predicated.ts`, each thing exists, in the fuzzy logic of Gödel: "or" is the maximum and "and" the minimum,
 * and a truth T costs 1 - T.
 *
 * Reference: Chefer et al. 2023, "Attend-and-Excite: Attention-Based Semantic Guidance for Text-to-Image Diffusion Models", algorithm 1,
 * and its published code.
 */
import { max, min, sub } from '@sgool/autodiff';
import { smoothed } from '../word-maps.ts';
import type { AttentionLoss } from './attention-loss.ts';
import { chosen } from './terms.ts';

export const attendAndExcite: AttentionLoss = ({ sharpened, requirement }) => {
  const peaks = max(smoothed(chosen(sharpened, requirement.exists)), { axes: [1, 2] });
  return { loss: max(sub(1, peaks)), presence: min(peaks) };
};
