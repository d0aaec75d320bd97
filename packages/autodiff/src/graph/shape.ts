/** Shapes: plain arrays of non-negative integers, row-major. */
export type Shape = readonly number[];

/** Number of elements of a tensor of this shape. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** `[2,3,4]`, for messages. */
export function show(shape: Shape): string {
  return `[${shape.join(',')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** Shape of an element-wise result under NumPy's broadcasting rule, or undefined where the operands do not fit. */
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

/** Turns a possibly negative axis of `shape` into one in [0, rank). */
export function axisOf(axis: number, shape: Shape, who: string): number {
  const resolved = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new RangeError(
      `${who}: there is no axis ${axis} in ${show(shape)}; needs a whole number from ${-shape.length} to ${shape.length - 1}`,
    );
  }
  return resolved;
}
