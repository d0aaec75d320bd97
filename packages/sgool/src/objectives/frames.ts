/**
 * @file The loss of a clip: the mean of the losses of its frames, estimated from some of them.
 *
 *     L = 1/F Σ_f L_f        estimate: Σ over chosen f of share_f · L_f
 *
 * One frame is drawn from each of several parts of the clip, and stands for its part: share_f is the size of the part over F. So every frame's
 * gradient counts 1/F in the mean over all draws: the estimate is unbiased.
 *
 * Reference: Cochran, "Sampling Techniques", 5.3 (the stratified mean).
 */
import { addFrameLatent, frameLatent } from '../models/frames.ts';
import type { Objective, ObjectiveInput } from './objective.ts';

/** A frame, and what its loss counts in that of the clip. */
export interface FrameShare {
  /** From 0. */
  readonly frame: number;
  /** The shares of all chosen frames add up to 1. */
  readonly share: number;
}

/**
 * Chooses the frames whose loss is taken, in ascending order.
 *
 * @param frames of the clip, F
 * @param count how many are chosen; 0, or F and more, for all
 * @param uniform random numbers in [0, 1), one for each part
 * @param worst a frame that is always chosen, if there are two or more; it is a part of its own
 */
export function stratifiedFrames(
  frames: number,
  count: number,
  uniform: () => number,
  worst?: number,
): FrameShare[] {
  const all = Array.from({ length: frames }, (_, frame) => frame);
  if (count === 0 || count >= frames) return all.map((frame) => ({ frame, share: 1 / frames }));
  const isWorst = (frame: number) => count > 1 && frame === worst;
  const others = all.filter((frame) => !isWorst(frame));
  const parts = count - (frames - others.length);
  const borderOf = (part: number) => Math.floor((part * others.length) / parts);
  const drawn = Array.from({ length: parts }, (_, part) => {
    const size = borderOf(part + 1) - borderOf(part);
    const frame = others[borderOf(part) + Math.floor(uniform() * size)];
    return { frame, share: size / frames };
  });
  const chosen = [...drawn, ...all.filter(isWorst).map((frame) => ({ frame, share: 1 / frames }))];
  return chosen.sort((a, b) => a.frame - b.frame);
}

/** A chosen frame, and the function that its loss is taken by. */
export interface FrameInput extends FrameShare {
  readonly input: ObjectiveInput;
}

/** The loss of a clip's latent, those of its chosen frames, and its gradient. */
export interface FramesResult {
  readonly total: number;
  /** For each chosen frame the losses of the views of each scorer. */
  readonly losses: readonly (readonly Float32Array[])[];
  /** d total / d latent, of the whole clip; 0 in the frames that were not chosen. */
  readonly gradient: Float64Array;
}

/**
 * The loss of a latent by some of its frames.
 *
 * @param objective of one frame
 * @param shape of the latent, `[1, channels, frames, height, width]`; of a picture `[1, channels, height, width]`
 */
export async function evaluateFrames(
  objective: Objective,
  latent: Float64Array,
  shape: readonly number[],
  inputs: readonly FrameInput[],
  signal?: AbortSignal,
): Promise<FramesResult> {
  const gradient = new Float64Array(latent.length);
  const losses: (readonly Float32Array[])[] = [];
  let total = 0;
  for (const { frame, share, input } of inputs) {
    signal?.throwIfAborted();
    const result = await objective.evaluate(frameLatent(latent, shape, frame), input);
    const part = result.gradient.map((value) => share * value);
    addFrameLatent(gradient, shape, frame, part);
    total += share * result.total;
    losses.push(result.losses);
  }
  return { total, losses, gradient };
}
