/**
 * @file What an imported model may ask for. A file of a hundred bytes can describe a tensor of any size, so sizes are bounded before
 * anything is allocated for them, here or in ONNX Runtime when it compiles.
 */
import { type Shape, sizeOf } from '../graph/shape.ts';

/** Elements of the largest tensor that is computed while importing. Larger ones are no shape arithmetic. */
export const LARGEST_FOLDED_WHILE_IMPORTING = 4096;

/** Elements of the largest tensor of a model: 2 GB in float32. The attention of a vision transformer with 4097 tokens has 0.27e9. */
export const LARGEST_TENSOR = 2 ** 29;

/** Axes of a tensor. Published models have up to 6. */
export const MOST_AXES = 16;

/**
 * Elements that ONNX Runtime may compute from constants alone when it compiles: this many, and `FOLDED_PER_STORED` for each number
 * that is stored in the model (casts and transposes of its weights).
 */
export const FOLDED_FREELY = 2 ** 24;
export const FOLDED_PER_STORED = 4;

/** What is wrong with a shape, if anything. */
export function shapeProblem(shape: Shape): string | undefined {
  if (shape.length > MOST_AXES) return `${shape.length} axes; there may be ${MOST_AXES}`;
  const bad = shape.find((length) => !Number.isSafeInteger(length) || length < 0);
  if (bad !== undefined) return `the length ${bad}; lengths must be whole numbers from 0`;
  const size = sizeOf(shape);
  return size > LARGEST_TENSOR ? `${size} elements; there may be ${LARGEST_TENSOR}` : undefined;
}

/** A piece of an untrusted file in a message: one line, not long. */
export function quoted(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return `"${short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')}"`;
}
