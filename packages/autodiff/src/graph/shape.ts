/** @file Shapes, and broadcasting. Reference: numpy.org/doc/stable/user/basics.broadcasting.html */

/** Length of each axis of a tensor, the slowest first (row-major). */
export type Shape = readonly number[];

/** Number of elements of a tensor of this shape; 1 for a scalar, []. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** A shape in messages: `[2,3,4]`. */
export function show(shape: Shape): string {
  return `[${shape.join(',')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** Shape of an element-wise result under NumPy's rule, or undefined where the shapes do not broadcast. */
export function broadcastShape(a: Shape, b: Shape): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const la = a[a.length - rank + i] ?? 1;
    const lb = b[b.length - rank + i] ?? 1;
    if (la !== lb && la !== 1 && lb !== 1) return undefined;
    out.push(la === 1 ? lb : la);
  }
  return out;
}

/**
 * An axis of `shape` as a number in [0, rank); negative axes count from the end.
 *
 * @param who what the error is attributed to
 * @throws RangeError where there is no such axis
 */
export function axisOf(axis: number, shape: Shape, who: string): number {
  const resolved = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new RangeError(
      `${who}: there is no axis ${axis} in ${show(shape)}; needs a whole number from ${-shape.length} to ${shape.length - 1}`,
    );
  }
  return resolved;
}
