/** @file Vectors of float64 as points on a sphere around the origin; the noise that networks are trained on lies close to one. */
import { UserError } from '../errors.ts';
import { dot } from '../numbers.ts';

/** Euclidean length. */
export function norm(values: Float64Array): number {
  return Math.sqrt(dot(values, values));
}

/** The part of `vector` that is at right angles to `latent`. */
export function tangent(vector: Float64Array, latent: Float64Array, radius: number): Float64Array {
  const along = dot(vector, latent);
  return vector.map((value, i) => value - (along / radius ** 2) * latent[i]);
}

/** `vector` at length 1; zeros stay zeros. */
export function unit(vector: Float64Array): Float64Array {
  const length = norm(vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** A running mean: `share` of what it was before, the rest of what is new; what is new alone at first. */
export function runningMean(
  value: Float64Array,
  before: Float64Array | undefined,
  share: number,
): Float64Array {
  return before ? value.map((each, i) => (1 - share) * each + share * before[i]) : value;
}

/** `latent` turned by `angle` radians towards `direction`, which is of length 1 and at right angles to it. */
export function turned(latent: Float64Array, direction: Float64Array, angle: number): Float64Array {
  const [cosine, sine] = [Math.cos(angle), norm(latent) * Math.sin(angle)];
  return latent.map((value, i) => cosine * value + sine * direction[i]);
}

/** `latent` at the given length; without one it stays as it is. @throws UserError for a latent of length 0 */
export function renormalised(latent: Float64Array, length: number | undefined): Float64Array {
  if (length === undefined) return latent;
  const now = norm(latent);
  if (!(now > 0))
    throw new UserError(`latent optimiser: the latent has length ${now}; it cannot be renormalised`);
  return latent.map((value) => (value * length) / now);
}
