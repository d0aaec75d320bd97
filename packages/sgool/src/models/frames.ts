/** @file The frames of a clip's latent. */

/** Number of frames of a latent: of `[1, channels, frames, ...]` its third length; 1 of a picture's `[1, channels, height, width]`. */
export const framesOf = (shape: readonly number[]): number => (shape.length === 5 ? shape[2] : 1);

/**
 * The latent of one frame, as a picture has it.
 *
 * @param latent of a clip or a picture
 * @param shape of it, `[1, channels, frames, height, width]` or `[1, channels, height, width]`
 * @param frame from 0
 * @returns `[1, channels, height, width]`, a copy
 * @throws RangeError where there is no such frame
 */
export function frameLatent(latent: Float64Array, shape: readonly number[], frame: number): Float64Array {
  const runs = runsOf(latent, shape, frame);
  const part = new Float64Array(latent.length / framesOf(shape));
  for (const { from, start, length } of runs) part.set(latent.subarray(start, start + length), from);
  return part;
}

/**
 * The transpose of `frameLatent`: adds to the numbers of one frame.
 *
 * @param into a clip's or a picture's latent, changed in place
 * @param part `[1, channels, height, width]`
 * @throws RangeError where there is no such frame, or `part` does not fit
 */
export function addFrameLatent(
  into: Float64Array,
  shape: readonly number[],
  frame: number,
  part: Float64Array,
): void {
  const runs = runsOf(into, shape, frame);
  const wanted = into.length / framesOf(shape);
  if (part.length !== wanted) {
    throw new RangeError(`addFrameLatent: a frame of [${shape}] has ${wanted} numbers, got ${part.length}`);
  }
  for (const { from, start, length } of runs) {
    for (let i = 0; i < length; i++) into[start + i] += part[from + i];
  }
}

/** Where the channels of a frame lie, one behind the other in the frame and apart in the clip. */
function runsOf(latent: Float64Array, shape: readonly number[], frame: number) {
  const frames = framesOf(shape);
  if (!(Number.isInteger(frame) && frame >= 0 && frame < frames)) {
    throw new RangeError(`frameLatent: frame must be a whole number from 0 to ${frames - 1}, got ${frame}`);
  }
  const channels = shape[1];
  const length = latent.length / (channels * frames);
  if (!Number.isInteger(length)) {
    throw new RangeError(`frameLatent: a latent of [${shape}] does not have ${latent.length} numbers`);
  }
  return Array.from({ length: channels }, (_, channel) => ({
    from: channel * length,
    start: (channel * frames + frame) * length,
    length,
  }));
}
