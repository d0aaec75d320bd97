/**
 * @file Shape arithmetic of imported models. Exporters compute shapes with nodes (Shape, Gather, Concat, Reshape). Shapes are
 * static here, so these nodes are computed while importing and leave nothing behind.
 */
import type { DType, TypedArray } from '../graph/dtype.ts';
import { axisOf, broadcastShape, type Shape, sizeOf } from '../graph/shape.ts';
import { type Call, type Known, numbersOf } from './call.ts';
import { dtypeOf } from './decode.ts';
import { LARGEST_FOLDED_WHILE_IMPORTING as LARGEST, shapeProblem } from './limits.ts';

/** Whether a result is no shape arithmetic and is left to ONNX Runtime. To be asked before anything is computed. */
const isLarge = (shape: Shape) => !(sizeOf(shape) <= LARGEST);

function known(dtype: DType, shape: Shape, numbers: readonly number[]): Known {
  return { dtype, shape, data: typed(dtype, numbers) };
}

function typed(dtype: DType, numbers: readonly number[]): TypedArray {
  const whole = dtype === 'int64' || dtype === 'int32';
  const bad = whole ? numbers.find((n) => !Number.isFinite(n)) : undefined;
  if (bad !== undefined) throw new RangeError(`${bad} is no ${dtype}; is it a division by zero?`);
  if (dtype === 'int64') return BigInt64Array.from(numbers, (n) => BigInt(Math.trunc(n)));
  if (dtype === 'int32') return Int32Array.from(numbers);
  if (dtype === 'bool') return Uint8Array.from(numbers, (n) => (n === 0 ? 0 : 1));
  return Float32Array.from(numbers);
}

/** Row-major steps between neighbours along each axis; 0 where an axis of length 1 is repeated. */
function strides(shape: Shape, target: Shape = shape): number[] {
  const steps: number[] = [];
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    steps.unshift(shape[i] === 1 && target.at(i - shape.length) !== 1 ? 0 : step);
    step *= shape[i];
  }
  return [...new Array<number>(target.length - shape.length).fill(0), ...steps];
}

/** For each index of `shape` in order, its flat position by `steps` from `start`. */
function places(shape: Shape, steps: readonly number[], start = 0): number[] {
  let found = [start];
  shape.forEach((length, axis) => {
    found = found.flatMap((place) => Array.from({ length }, (_, i) => place + i * steps[axis]));
  });
  return found;
}

function zip(call: Call, dtype: DType | undefined, fn: (a: number, b: number) => number): Known | undefined {
  const [a, b] = [call.value(0) as Known, call.value(1) as Known];
  const shape =
    broadcastShape(a.shape, b.shape) ?? call.fail(`[${a.shape}] and [${b.shape}] do not broadcast`);
  if (isLarge(shape)) return undefined;
  const [na, nb] = [numbersOf(a), numbersOf(b)];
  const [pa, pb] = [places(shape, strides(a.shape, shape)), places(shape, strides(b.shape, shape))];
  return known(
    dtype ?? a.dtype,
    shape,
    pa.map((place, i) => fn(na[place], nb[pb[i]])),
  );
}

type Fold = (call: Call, x: Known) => Known | undefined;

const folds: Readonly<Record<string, Fold>> = {
  Identity: (_, x) => x,
  Add: (call) => zip(call, undefined, (a, b) => a + b),
  Sub: (call) => zip(call, undefined, (a, b) => a - b),
  Mul: (call) => zip(call, undefined, (a, b) => a * b),
  Div: (call, x) => zip(call, undefined, (a, b) => (x.dtype === 'float32' ? a / b : Math.trunc(a / b))),
  Equal: (call) => zip(call, 'bool', (a, b) => (a === b ? 1 : 0)),
  Greater: (call) => zip(call, 'bool', (a, b) => (a > b ? 1 : 0)),
  Less: (call) => zip(call, 'bool', (a, b) => (a < b ? 1 : 0)),
  Neg: (_, x) =>
    known(
      x.dtype,
      x.shape,
      numbersOf(x).map((n) => -n),
    ),
  Floor: (_, x) => known(x.dtype, x.shape, numbersOf(x).map(Math.floor)),
  Ceil: (_, x) => known(x.dtype, x.shape, numbersOf(x).map(Math.ceil)),
  Cast(call, x) {
    const dtype = dtypeOf(call.number('to'));
    return dtype && dtype !== 'float16' ? known(dtype, x.shape, numbersOf(x)) : undefined;
  },
  Where(call, condition) {
    const [a, b] = [call.value(1) as Known, call.value(2) as Known];
    const inner = broadcastShape(a.shape, b.shape);
    const shape = (inner && broadcastShape(condition.shape, inner)) ?? call.fail('operands do not broadcast');
    if (isLarge(shape)) return undefined;
    const at = (v: Known) => {
      const numbers = numbersOf(v);
      return places(shape, strides(v.shape, shape)).map((place) => numbers[place]);
    };
    const [yes, no] = [at(a), at(b)];
    return known(
      a.dtype,
      shape,
      at(condition).map((c, i) => (c ? yes[i] : no[i])),
    );
  },
  ConstantOfShape(call, x) {
    const shape = numbersOf(x);
    if (isLarge(shape) || shape.some((length) => length < 0)) return undefined;
    const value = call.stored('value') as Known | undefined;
    const numbers = new Array<number>(sizeOf(shape)).fill(value ? numbersOf(value)[0] : 0);
    return known(value?.dtype ?? 'float32', shape, numbers);
  },
  Range(call, start) {
    const [from, limit, step] = [start, call.value(1) as Known, call.value(2) as Known].map(
      (v) => numbersOf(v)[0],
    );
    const length = Math.max(0, Math.ceil((limit - from) / step));
    if (!(length <= LARGEST)) {
      call.fail(`from ${from} to ${limit} by ${step} are ${length} numbers; there may be ${LARGEST}`);
    }
    return known(
      start.dtype,
      [length],
      Array.from({ length }, (_, i) => from + i * step),
    );
  },
  Gather(call, x) {
    const indices = call.value(1) as Known;
    const axis = axisOf(call.number('axis', 0), x.shape, 'importOnnx: Gather');
    const [outer, inner] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    if (isLarge([...outer, ...indices.shape, ...inner])) return undefined;
    const numbers = numbersOf(x);
    const length = x.shape[axis];
    const width = sizeOf(inner);
    const places = numbersOf(indices);
    const outside = places.find((index) => index < -length || index >= length);
    if (outside !== undefined) call.fail(`index ${outside} is not inside an axis of length ${length}`);
    const picked = Array.from({ length: sizeOf(outer) }, (_, o) =>
      places.flatMap((index) => {
        const start = (o * length + (index < 0 ? index + length : index)) * width;
        return numbers.slice(start, start + width);
      }),
    );
    return known(x.dtype, [...outer, ...indices.shape, ...inner], picked.flat());
  },
  Concat(call, x) {
    const parts = Array.from({ length: call.count }, (_, i) => call.value(i) as Known);
    if (x.shape.length !== 1 || isLarge([parts.map(({ data }) => data.length).reduce((a, b) => a + b)]))
      return undefined;
    const numbers = parts.flatMap(numbersOf);
    return known(x.dtype, [numbers.length], numbers);
  },
  Reshape(call, x) {
    return { ...x, shape: resolveShape(call, x.shape, call.numbers(1)) };
  },
  Unsqueeze(call, x) {
    return { ...x, shape: unsqueezed(call, x.shape, axesOf(call) ?? call.fail('names no axes')) };
  },
  Squeeze(call, x) {
    return { ...x, shape: squeezed(x.shape, axesOf(call)) };
  },
  Transpose(call, x) {
    const order = call.list('perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i);
    const isPermutation =
      order.length === x.shape.length && [...order].sort((a, b) => a - b).every((axis, i) => axis === i);
    if (!isPermutation) call.fail(`perm [${order}] is not an order of ${x.shape.length} axes`);
    const steps = strides(x.shape).map((step, i) => (x.shape[i] === 1 ? 0 : step));
    const shape = order.map((axis) => x.shape[axis]);
    const numbers = numbersOf(x);
    const turned = places(
      shape,
      order.map((axis) => steps[axis]),
    ).map((place) => numbers[place]);
    return known(x.dtype, shape, turned);
  },
  Slice(call, x) {
    const shape = [...x.shape];
    const steps = strides(x.shape);
    let start = 0;
    for (const { axis, from, step, count } of sliceRanges(call, x.shape)) {
      start += from * steps[axis];
      steps[axis] *= step;
      shape[axis] = count;
    }
    const numbers = numbersOf(x);
    return known(
      x.dtype,
      shape,
      places(shape, steps, start).map((place) => numbers[place]),
    );
  },
};

/** Computes a node while importing, if all of its operands are known and small. */
export function fold(call: Call, operands: readonly unknown[]): Known | undefined {
  const { op } = call.node;
  if (op === 'Shape' && call.has(0)) {
    const shape = call
      .shape(0)
      .slice(call.number('start', 0), call.node.attributes.has('end') ? call.number('end') : undefined);
    return known('int64', [shape.length], shape);
  }
  if (op === 'Size' && call.has(0)) return known('int64', [], [sizeOf(call.shape(0))]);
  const rule = Object.hasOwn(folds, op) ? folds[op] : undefined;
  const small = (v: unknown) =>
    typeof v === 'object' &&
    v !== null &&
    'data' in v &&
    (v as Known).dtype !== 'float16' &&
    (v as Known).data.length <= LARGEST;
  if (!rule || call.node.domain !== '' || operands.length === 0) return undefined;
  if (!operands.every((v) => v === undefined || small(v))) return undefined;
  const result = rule(call, operands[0] as Known);
  if (result === undefined) return undefined;
  const problem = shapeProblem(result.shape);
  if (problem !== undefined) call.fail(`its result has ${problem}`);
  if (result.data.length !== sizeOf(result.shape)) {
    call.fail(`[${result.shape}] is no shape for ${result.data.length} numbers`);
  }
  return result;
}

/** The shape operand of a Reshape: 0 keeps a length, -1 is computed. */
export function resolveShape(call: Call, from: Shape, wanted: readonly number[]): number[] {
  const keepsZero = call.number('allowzero', 0) === 1;
  const lengths = wanted.map((length, i) => (length === 0 && !keepsZero ? from[i] : length));
  const rest = lengths.reduce((n, length) => (length === -1 ? n : n * length), 1);
  const shape = lengths.map((length) => (length === -1 ? sizeOf(from) / rest : length));
  const isOneOpen = lengths.filter((length) => length === -1).length <= 1;
  if (
    !isOneOpen ||
    !shape.every((length) => Number.isSafeInteger(length)) ||
    sizeOf(shape) !== sizeOf(from)
  ) {
    call.fail(`[${from}] cannot take the shape [${wanted}]`);
  }
  return shape;
}

/** Axes as an operand (newer operator sets) or as an attribute (older ones). */
export function axesOf(call: Call): number[] | undefined {
  return call.has(1) ? call.numbers(1) : call.list('axes');
}

export function unsqueezed(call: Call, shape: Shape, axes: readonly number[]): number[] {
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (added.size !== axes.length || [...added].some((axis) => !(axis >= 0 && axis < rank)))
    call.fail(`axes [${axes}] do not fit`);
  let next = 0;
  return Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : shape[next++]));
}

export function squeezed(shape: Shape, axes: readonly number[] | undefined): number[] {
  const dropped = new Set(axes?.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return shape.filter((length, i) => (axes ? !dropped.has(i) : length !== 1));
}

export interface SliceRange {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly count: number;
}

/** The ranges of a Slice node, clamped to the axes. Negative steps start at the end. */
export function sliceRanges(call: Call, shape: Shape): SliceRange[] {
  const [starts, ends] = call.has(1)
    ? [call.numbers(1), call.numbers(2)]
    : [call.list('starts') ?? [], call.list('ends') ?? []];
  const axes = (call.has(3) ? call.numbers(3) : call.list('axes')) ?? starts.map((_, i) => i);
  const steps = call.has(4) ? call.numbers(4) : starts.map(() => 1);
  if (starts.length !== axes.length || ends.length !== axes.length)
    call.fail('it needs a start and an end for each axis');
  return axes.map((given, i) => {
    const axis = axisOf(given, shape, 'importOnnx: Slice');
    const length = shape[axis];
    const step = steps[i] ?? 1;
    if (step === 0 || !Number.isSafeInteger(step)) call.fail(`a step of ${step} is no step`);
    const clamp = (n: number, low: number, high: number) =>
      Math.min(Math.max(n < 0 ? n + length : n, low), high);
    const from = step > 0 ? clamp(starts[i], 0, length) : clamp(starts[i], -1, length - 1);
    const to = step > 0 ? clamp(ends[i], 0, length) : clamp(ends[i], -1, length - 1);
    return { axis, from, to, step, count: Math.max(0, Math.ceil((to - from) / step)) };
  });
}
