/**
 * @file The noise of clips that are seen in windows: that of later frames is the noise of the first ones in another order, so that all windows
 * begin alike.
 *
 * Reference: Qiu et al. 2023, "FreeNoise: Tuning-Free Longer Video Diffusion via Noise Rescheduling", section 4.1; diffusers,
 * pipelines/free_noise_utils.py (noise_type "shuffle_context").
 */
import type { Generator } from '../random/generator.ts';
import { addFrameLatent, frameLatent, framesOf } from './frames.ts';
import type { MotionInfo } from './model-info.ts';

/**
 * The noise with its later frames taken from earlier ones, group by group of a stride: the group behind the first window is the first group in
 * random order, and so on. Noise of clips that are seen as a whole stays as it is.
 *
 * @param noise of `shape`, `[1, channels, frames, height, width]`
 * @param random draws the orders, behind the noise itself
 */
export function rescheduledNoise(
  noise: Float64Array,
  shape: readonly number[],
  windows: MotionInfo['windows'],
  random: Pick<Generator, 'randperm'>,
): Float64Array {
  const frames = framesOf(shape);
  if (windows === undefined || frames <= windows.frames) return noise;
  const result = new Float64Array(noise.length);
  /** For each frame the one whose noise it has. */
  const source = Array.from({ length: frames }, (_, frame) => frame);
  for (let at = windows.frames; at < frames; at += windows.stride) {
    const first = at - windows.frames;
    const order = random.randperm(Math.min(windows.stride, frames - first));
    order.forEach((place, i) => {
      // The groups before have their orders already.
      if (at + i < frames) source[at + i] = source[first + place];
    });
  }
  source.forEach((from, frame) => {
    addFrameLatent(result, shape, frame, frameLatent(noise, shape, from));
  });
  return result;
}
