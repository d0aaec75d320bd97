/**
 * @file Removing the centre bias of a saliency model. People look at the middle of photographs whatever is there, and a model that was
 * trained on their fixations has learnt it, each from its own data set.
 *
 * Reference: Tatler 2007, "The central fixation bias in scene viewing"; Kümmerer, Wallis, Bethge 2018, "Saliency Benchmarking Made
 * Easy", section 4: the map for an even comparison is the ratio of densities p(x | image) / p(x), p(x) with a uniform part.
 */
import { maximum, sum } from '../numbers.ts';
import type { Detector, SaliencyMap } from './detector.ts';
import { centreBias } from './simple-detectors.ts';

/** Share of the uniform density in p(x), so that noise at the edges is not blown up without bound. */
const UNIFORM = 0.1;

/** The saliency model without centre bias. Boxes that it knows itself stay as they are. */
export function withoutCentreBias(detector: Detector): Detector {
  return { name: detector.name, map: async (image) => unbiased(await detector.map(image)) };
}

/** The map divided by the centre bias, its maximum 1; p(x) is the Gaussian of the saliency model `centre`, and a uniform part. */
function unbiased(map: SaliencyMap): SaliencyMap {
  if (map.boxes) return map;
  const bias = centreBias(map);
  const mean = sum(bias) / bias.length;
  const ratio = map.data.map((value, i) => value / ((1 - UNIFORM) * (bias[i] / mean) + UNIFORM));
  const most = maximum(ratio);
  return { ...map, data: most > 0 ? ratio.map((value) => value / most) : ratio };
}
