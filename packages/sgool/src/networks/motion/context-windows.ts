/**
 * @file Clips that are longer than motion modules see at once: attention over windows of frames that overlap, whose results are averaged with
 * weights that fall off towards the ends of a window.
 *
 * Reference: Qiu et al. 2023, "FreeNoise: Tuning-Free Longer Video Diffusion via Noise Rescheduling", section 4.2; diffusers,
 * models/attention.py (FreeNoiseTransformerBlock, weighting "pyramid").
 */
import { add, constant, controlDependency, mul, pad, slice, type Tensor } from '@sgool/autodiff';
import { required } from '../../errors.ts';

/** Windows over the frames of a clip. */
export interface ContextWindows {
  /** Frames of a window. */
  readonly frames: number;
  /** Frames from the beginning of a window to that of the next. */
  readonly stride: number;
}

/** A window, and from which of its frames on it counts. */
interface Window {
  readonly start: number;
  readonly from: number;
}

/**
 * The windows of a clip. The last one ends with the clip; where it is nearer to the one before than the stride, only its frames behind that one
 * count.
 */
function windowsOf(frames: number, { frames: length, stride }: ContextWindows): Window[] {
  const windows: Window[] = [];
  for (let start = 0; start + length <= frames; start += stride) windows.push({ start, from: 0 });
  const end = (windows.at(-1)?.start ?? 0) + length;
  if (end < frames) windows.push({ start: frames - length, from: length - (frames - end) });
  return windows;
}

/** 1, 2, 3, ... to the middle of a window and back to 1. */
const pyramid = (i: number, length: number): number => Math.min(i + 1, length - i);

/**
 * How much the result of each window counts for each of its frames: of all windows that see a frame the weights sum to 1. Where diffusers divides
 * the frames behind the last whole window by one of their weights, they are divided by their own here.
 *
 * @returns for each window its first frame, and the weights of its frames
 */
export function windowWeights(
  frames: number,
  windows: ContextWindows,
): { start: number; weights: number[] }[] {
  const own = windowsOf(frames, windows).map(({ start, from }) => ({
    start,
    weights: Array.from({ length: windows.frames }, (_, i) => (i < from ? 0 : pyramid(i, windows.frames))),
  }));
  const totals = new Float64Array(frames);
  for (const { start, weights } of own) {
    weights.forEach((weight, i) => {
      totals[start + i] += weight;
    });
  }
  return own.map(({ start, weights }) => ({ start, weights: weights.map((w, i) => w / totals[start + i]) }));
}

/**
 * Computes from the frames of each window, and averages.
 *
 * @param x [clips, frames, pixels, width]
 * @param compute from the frames of a window to the same shape
 */
export function overWindows(x: Tensor, windows: ContextWindows, compute: (window: Tensor) => Tensor): Tensor {
  const [, frames] = x.shape;
  if (frames <= windows.frames) return compute(x);
  let sum: Tensor | undefined;
  for (const { start, weights } of windowWeights(frames, windows)) {
    const window = slice(x, [{ axis: 1, start, end: start + windows.frames }]);
    // One after the other, or all of them would be in memory at once.
    const result = compute(sum ? controlDependency(window, [sum]) : window);
    const shares = {
      dtype: 'float32',
      shape: [windows.frames, 1, 1],
      data: Float32Array.from(weights),
    } as const;
    const end = frames - start - windows.frames;
    const part = pad(mul(result, constant(shares)), [0, start, 0, 0], [0, end, 0, 0]);
    sum = sum ? add(sum, part) : part;
  }
  return required(sum, 'window');
}
