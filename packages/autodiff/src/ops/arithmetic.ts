/** @file Element-wise arithmetic with NumPy broadcasting. Reference: torch.add, torch.mul, ... */
import { BYTES_PER_ELEMENT, ONNX_DTYPE } from '../graph/dtype.ts';
import { broadcastShape, sameShape, show } from '../graph/shape.ts';
import { checkTypes, currentTrace, differentiableOne, emit, scalar, Tensor } from '../graph/trace.ts';
import { sum } from './reduce.ts';
import { reshape } from './shape.ts';

/** A tensor, or a number that stands for a float32 scalar. */
export type Operand = Tensor | number;

export function tensorOf(x: Operand): Tensor {
  return x instanceof Tensor ? x : scalar(x);
}

/** Sums a cotangent over the axes that broadcasting added or stretched. */
export function sumToShape(cotangent: Tensor, target: Tensor): Tensor {
  if (sameShape(cotangent.shape, target.shape)) return cotangent;
  const extra = cotangent.rank - target.rank;
  const axes: number[] = [];
  cotangent.shape.forEach((length, i) => {
    if (i < extra || (target.shape[i - extra] === 1 && length !== 1)) axes.push(i);
  });
  return reshape(sum(cotangent, { axes, keepDims: true }), target.shape);
}

/** Emits a broadcasting ONNX node; checks shapes and dtypes. */
export function emitBroadcast(who: string, onnx: string, a: Tensor, b: Tensor, dtype = a.dtype): Tensor {
  const shape = broadcastShape(a.shape, b.shape);
  if (!shape) {
    throw new RangeError(`${who}: operands do not broadcast, got a ${show(a.shape)} and b ${show(b.shape)}`);
  }
  checkTypes(who, { a, b });
  return emit(onnx, [a, b], dtype, shape);
}

function binary(
  who: string,
  onnx: string,
  a: Operand,
  b: Operand,
  rule: (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => [Tensor, Tensor],
): Tensor {
  currentTrace(who);
  const ta = tensorOf(a);
  const tb = tensorOf(b);
  return differentiableOne(
    who,
    [ta, tb],
    () => emitBroadcast(who, onnx, ta, tb),
    (dy, y) => {
      const [da, db] = rule(dy, ta, tb, y);
      return [sumToShape(da, ta), sumToShape(db, tb)];
    },
  );
}

/** `a + b` */
export function add(a: Operand, b: Operand): Tensor {
  return binary('add', 'Add', a, b, (dy) => [dy, dy]);
}

/** `a - b` */
export function sub(a: Operand, b: Operand): Tensor {
  return binary('sub', 'Sub', a, b, (dy) => [dy, neg(dy)]);
}

/** `a * b` */
export function mul(a: Operand, b: Operand): Tensor {
  return binary('mul', 'Mul', a, b, (dy, ta, tb) => [mul(dy, tb), mul(dy, ta)]);
}

/** `a / b` */
export function div(a: Operand, b: Operand): Tensor {
  return binary('div', 'Div', a, b, (dy, _ta, tb, y) => {
    const da = div(dy, tb);
    return [da, neg(mul(da, y))];
  });
}

/** `a ** b`; the gradient with respect to b holds for positive a. */
export function pow(a: Operand, b: Operand): Tensor {
  return binary('pow', 'Pow', a, b, (dy, ta, tb, y) => [
    mul(dy, mul(tb, pow(ta, sub(tb, 1)))),
    mul(dy, mul(y, log(ta))),
  ]);
}

/** The smaller of each pair; where they are equal each gets half of the gradient, as in torch.minimum. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary('minimum', 'Min', a, b, (dy, ta, tb) =>
    selectGradient(dy, lessMask(ta, tb), lessMask(tb, ta)),
  );
}

/** The larger of each pair; where they are equal each gets half of the gradient, as in torch.maximum. */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary('maximum', 'Max', a, b, (dy, ta, tb) =>
    selectGradient(dy, lessMask(tb, ta), lessMask(ta, tb)),
  );
}

function lessMask(a: Tensor, b: Tensor): Tensor {
  return cast(less(a, b), 'float32');
}

/** Shares of dy for the two operands when `winsA` and `winsB` are 0/1 masks that are both 0 on ties. */
function selectGradient(dy: Tensor, winsA: Tensor, winsB: Tensor): [Tensor, Tensor] {
  const half = mul(dy, 0.5);
  const difference = sub(winsA, winsB);
  return [mul(half, add(1, difference)), mul(half, sub(1, difference))];
}

type UnaryRule = (dy: Tensor, x: Tensor, y: Tensor) => Tensor;

/** A differentiable element-wise function of one tensor. */
export function unary(who: string, onnx: string, x: Tensor, rule: UnaryRule): Tensor {
  return differentiableOne(
    who,
    [x],
    () => emit(onnx, [x], x.dtype, x.shape),
    (dy, y) => [rule(dy, x, y)],
  );
}

export function neg(x: Tensor): Tensor {
  return unary('neg', 'Neg', x, (dy) => neg(dy));
}

/** `|x|`, with gradient 0 at 0. */
export function abs(x: Tensor): Tensor {
  return unary('abs', 'Abs', x, (dy) => mul(dy, emit('Sign', [x], x.dtype, x.shape)));
}

export function exp(x: Tensor): Tensor {
  return unary('exp', 'Exp', x, (dy, _x, y) => mul(dy, y));
}

export function log(x: Tensor): Tensor {
  return unary('log', 'Log', x, (dy) => div(dy, x));
}

export function sqrt(x: Tensor): Tensor {
  return unary('sqrt', 'Sqrt', x, (dy, _x, y) => div(mul(dy, 0.5), y));
}

/** `x * x` */
export function square(x: Tensor): Tensor {
  return differentiableOne(
    'square',
    [x],
    () => emit('Mul', [x, x], x.dtype, x.shape),
    (dy) => [mul(dy, mul(x, 2))],
  );
}

export function tanh(x: Tensor): Tensor {
  return unary('tanh', 'Tanh', x, (dy, _x, y) => mul(dy, sub(1, square(y))));
}

export function sigmoid(x: Tensor): Tensor {
  return unary('sigmoid', 'Sigmoid', x, (dy, _x, y) => mul(dy, mul(y, sub(1, y))));
}

export function erf(x: Tensor): Tensor {
  return unary('erf', 'Erf', x, (dy) => mul(dy, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))));
}

export function sin(x: Tensor): Tensor {
  return unary('sin', 'Sin', x, (dy) => mul(dy, cos(x)));
}

export function cos(x: Tensor): Tensor {
  return unary('cos', 'Cos', x, (dy) => neg(mul(dy, sin(x))));
}

export function asin(x: Tensor): Tensor {
  return unary('asin', 'Asin', x, (dy) => div(dy, sqrt(sub(1, square(x)))));
}

export function acos(x: Tensor): Tensor {
  return unary('acos', 'Acos', x, (dy) => neg(div(dy, sqrt(sub(1, square(x))))));
}

/** Limits x to [low, high]; the gradient is 0 outside and passes on the bounds, so that a clipped value can come back. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  if (!(low <= high)) throw new RangeError(`clip: low must not exceed high, got ${low} and ${high}`);
  return differentiableOne(
    'clip',
    [x],
    () => emit('Clip', [x, scalar(low), scalar(high)], x.dtype, x.shape),
    (dy, y) => [mul(dy, cast(equal(x, y), 'float32'))],
  );
}

/** Element-wise comparison; the result is bool and has no gradient. */
export function greater(a: Operand, b: Operand): Tensor {
  return emitBroadcast('greater', 'Greater', tensorOf(a), tensorOf(b), 'bool');
}

export function less(a: Operand, b: Operand): Tensor {
  return emitBroadcast('less', 'Less', tensorOf(a), tensorOf(b), 'bool');
}

export function greaterOrEqual(a: Operand, b: Operand): Tensor {
  return emitBroadcast('greaterOrEqual', 'GreaterOrEqual', tensorOf(a), tensorOf(b), 'bool');
}

export function lessOrEqual(a: Operand, b: Operand): Tensor {
  return emitBroadcast('lessOrEqual', 'LessOrEqual', tensorOf(a), tensorOf(b), 'bool');
}

export function equal(a: Operand, b: Operand): Tensor {
  return emitBroadcast('equal', 'Equal', tensorOf(a), tensorOf(b), 'bool');
}

/** `condition ? a : b`, element by element, all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const ta = tensorOf(a);
  const tb = tensorOf(b);
  if (condition.dtype !== 'bool') throw new TypeError(`where: the condition must be bool, got ${condition}`);
  const inner = broadcastShape(ta.shape, tb.shape);
  const shape = inner && broadcastShape(condition.shape, inner);
  if (!shape) {
    throw new RangeError(
      `where: operands do not broadcast, got condition ${show(condition.shape)}, a ${show(ta.shape)}, b ${show(tb.shape)}`,
    );
  }
  checkTypes('where', { a: ta, b: tb });
  return differentiableOne(
    'where',
    [ta, tb],
    () => emit('Where', [condition, ta, tb], ta.dtype, shape),
    (dy) => [sumToShape(where(condition, dy, 0), ta), sumToShape(where(condition, 0, dy), tb)],
  );
}

/** Changes the element type; the gradient is cast back (and stops at integers and bool). */
export function cast(x: Tensor, dtype: Tensor['dtype']): Tensor {
  if (x.dtype === dtype) return x;
  const y = differentiableOne(
    'cast',
    [x],
    () => emit('Cast', [x], dtype, x.shape, { attributes: { to: ONNX_DTYPE[dtype] } }),
    (dy) => [x.dtype === 'float32' || x.dtype === 'float16' ? cast(dy, x.dtype) : undefined],
  );
  if (BYTES_PER_ELEMENT[x.dtype] === 2 && x.trace.constants.has(x)) x.trace.widened.set(y, x);
  return y;
}

/** Lets the value pass and stops the gradient. */
export function stopGradient(x: Tensor): Tensor {
  return differentiableOne(
    'stopGradient',
    [x],
    () => emit('Identity', [x], x.dtype, x.shape),
    () => [undefined],
  );
}
