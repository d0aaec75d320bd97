/**
 * @file Attend-and-Excite's loss: the thing that is attended to least shall have one place of full attention.
 *
 *     L = max over things of max(0, 1 - max over positions of the smoothed map)
 *
 * It is the proposition of `predicated.ts`, each thing exists, in the fuzzy logic of Gödel: "or" is the maximum and "and" the minimum,
 * and a truth T costs 1 - T.
 *
 * Reference: Chefer et al. 2023, "Attend-and-Excite: Attention-Based Semantic Guidance for Text-to-Image Diffusion Models", algorithm 1,
 * and its published code.
 */
import { max, min, relu, sub } from '@sgool/autodiff';
import { smoothed } from '../word-maps.ts';
import type { AttentionLoss } from './attention-loss.ts';
import { chosen } from './terms.ts';

export const attendAndExcite: AttentionLoss = {
  name: 'attend-and-excite',
  relations: ['exists'],
  thresholds: [
    [0, 0.05],
    [0.2, 0.5],
    [0.4, 0.8],
  ],
  trace({ sharpened, requirement }) {
    const peaks = max(smoothed(chosen(sharpened, requirement.exists)), { axes: [1, 2] });
    return { loss: max(relu(sub(1, peaks))), presence: min(peaks) };
  },
};
