/**
 * @file What keeps the motion of a clip while its frames move towards the prompt: a clip that stands still wins every score of single frames
 * and of their likeness, and one that flickers wins against a floor alone.
 *
 *     m(z) = mean over neighbours and numbers of |z_{f+1} - z_f|        T = max(0, 1 - b - m/m0) + max(0, m/m0 - 1 - b)
 *
 * m0 is the motion of the plain clip. It is taken of latents: no decoder is needed.
 */
import { framesOf } from '../models/frames.ts';

/** How much the motion may change without a loss, as a share: b. */
export const MOTION_BAND = 0.1;

/** Visits each number of the latent with the one at its place in the next frame. */
function* neighbours(latent: Float64Array, shape: readonly number[]): Generator<[at: number, next: number]> {
  const frames = framesOf(shape);
  const channels = shape[1];
  const size = latent.length / (channels * frames);
  for (let channel = 0; channel < channels; channel++) {
    for (let frame = 0; frame + 1 < frames; frame++) {
      const start = (channel * frames + frame) * size;
      for (let i = start; i < start + size; i++) yield [i, i + size];
    }
  }
}

/**
 * The mean absolute difference of neighbouring frames; 0 for a picture.
 *
 * @param shape of the latent, `[1, channels, frames, height, width]`
 */
export function latentMotion(latent: Float64Array, shape: readonly number[]): number {
  let [sum, count] = [0, 0];
  for (const [at, next] of neighbours(latent, shape)) {
    sum += Math.abs(latent[next] - latent[at]);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/** The term and its gradient. */
export interface MotionTerm {
  readonly value: number;
  /** d value / d latent. */
  readonly gradient: Float64Array;
}

/**
 * The term T of a clip's latent.
 *
 * @param plain m0, the motion of the plain clip; where it is 0 the term is 0
 */
export function motionTerm(latent: Float64Array, shape: readonly number[], plain: number): MotionTerm {
  const gradient = new Float64Array(latent.length);
  const motion = latentMotion(latent, shape);
  const ratio = plain > 0 ? motion / plain : 1;
  const below = 1 - MOTION_BAND - ratio;
  const above = ratio - 1 - MOTION_BAND;
  if (below <= 0 && above <= 0) return { value: 0, gradient };
  const frames = framesOf(shape);
  const pairs = (latent.length / frames) * (frames - 1);
  const slope = (below > 0 ? -1 : 1) / (plain * pairs);
  for (const [at, next] of neighbours(latent, shape)) {
    const part = slope * Math.sign(latent[next] - latent[at]);
    gradient[next] += part;
    gradient[at] -= part;
  }
  return { value: Math.max(below, above), gradient };
}
