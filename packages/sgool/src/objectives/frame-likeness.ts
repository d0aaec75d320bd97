/**
 * @file How alike neighbouring frames are, as terms of a loss with gradients.
 *
 *     consistency   max(0, c0 - cos(u, v))      u, v: embeddings of two frames; c0: that of the plain clip
 *     correlation   1 - cc(a, b)                a, b: saliency of one thing in two frames, each seen through its own box
 *
 * To maximise likeness is to freeze a clip: so the first asks for no more than the plain clip has, and the second follows the thing, wherever it
 * goes. A frozen clip still wins both; `motion-term.ts` stands against that.
 */
import { dot, mean } from '../numbers.ts';

/** A term of two frames, and its gradients. */
export interface LikenessTerm {
  readonly value: number;
  /** d value / d first, and d value / d second. */
  readonly gradients: readonly [Float64Array, Float64Array];
}

type Numbers = ArrayLike<number>;

/**
 * The cosine of two arrays and its gradients: d cos / d u = (v / |v| - cos · u / |u|) / |u|. Of nothing but zeros it is 0, and so are they.
 */
function cosine(u: Numbers, v: Numbers): LikenessTerm {
  const [long, wide] = [u, v].map((one) => Math.sqrt(dot(one, one)));
  if (long === 0 || wide === 0)
    return { value: 0, gradients: [new Float64Array(u.length), new Float64Array(v.length)] };
  const value = dot(u, v) / (long * wide);
  const gradient = (own: Numbers, other: Numbers, length: number, otherLength: number) =>
    Float64Array.from(own, (x, i) => (other[i] / otherLength - (value * x) / length) / length);
  return { value, gradients: [gradient(u, v, long, wide), gradient(v, u, wide, long)] };
}

/** The cosine of the embeddings of two frames. */
export const frameCosine = (u: Numbers, v: Numbers): number => cosine(u, v).value;

/** @param least c0: above it there is no loss */
export function consistencyTerm(u: Numbers, v: Numbers, least: number): LikenessTerm {
  const { value, gradients } = cosine(u, v);
  if (value >= least)
    return { value: 0, gradients: [new Float64Array(u.length), new Float64Array(v.length)] };
  const [first, second] = gradients.map((gradient) => gradient.map((x) => -x));
  return { value: least - value, gradients: [first, second] };
}

/**
 * One minus Pearson's correlation, which is the cosine of the departures from the mean: 0 of maps that differ in scale and level alone, 2 at most. Of
 * a map without departures it is 1, and has no gradient.
 *
 * Reference: Bylinskii et al. 2019, "What do different evaluation metrics tell us about saliency models?", section 4 (CC)
 */
export function correlationTerm(a: Numbers, b: Numbers): LikenessTerm {
  const centred = (values: Numbers) => {
    const middle = mean(Float64Array.from(values));
    return Float64Array.from(values, (value) => value - middle);
  };
  const { value, gradients } = cosine(centred(a), centred(b));
  // The gradient of a departure from the mean is centred itself.
  const [first, second] = gradients.map((gradient) => centred(gradient).map((x) => -x));
  return { value: 1 - value, gradients: [first, second] };
}
