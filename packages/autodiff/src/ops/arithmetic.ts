/**
 * @file Element-wise arithmetic. Operands broadcast as in NumPy. add, sub, mul and neg are in core.ts.
 *
 * Reference: torch.div, torch.pow, torch.exp and the other functions of these names.
 */
import { CONSTANT_FLOATS, ONNX_DTYPE } from '../graph/dtype.ts';
import { broadcastShape, show } from '../graph/shape.ts';
import { checkTypes, differentiableOne, emit, scalar, type Tensor } from '../graph/trace.ts';
import {
  add,
  binary,
  emitBroadcast,
  mul,
  neg,
  type Operand,
  sub,
  sumToShape,
  tensorOf,
  unary,
} from './core.ts';

/** `a / b`, element by element. Shapes broadcast. */
export function div(a: Operand, b: Operand): Tensor {
  return binary('div', 'Div', a, b, (dy, _ta, tb, y) => {
    // da = dy / b, db = -(dy / b) y
    const da = div(dy, tb);
    return [da, neg(mul(da, y))];
  });
}

/** `a ** b`, element by element. Shapes broadcast. The gradient with respect to b needs a > 0. */
export function pow(a: Operand, b: Operand): Tensor {
  // da = dy b a^(b - 1), db = dy y log(a)
  return binary('pow', 'Pow', a, b, (dy, ta, tb, y) => [
    mul(dy, mul(tb, pow(ta, sub(tb, 1)))),
    mul(dy, mul(y, log(ta))),
  ]);
}

/** The smaller of each pair. Where they are equal each gets half of the gradient, as in torch.minimum. */
export function minimum(a: Operand, b: Operand): Tensor {
  // da = dy [a < b], db = dy [b < a]
  return binary('minimum', 'Min', a, b, (dy, ta, tb) =>
    selectGradient(dy, lessMask(ta, tb), lessMask(tb, ta)),
  );
}

/** The larger of each pair. Where they are equal each gets half of the gradient, as in torch.maximum. */
export function maximum(a: Operand, b: Operand): Tensor {
  // da = dy [a > b], db = dy [b > a]
  return binary('maximum', 'Max', a, b, (dy, ta, tb) =>
    selectGradient(dy, lessMask(tb, ta), lessMask(ta, tb)),
  );
}

function lessMask(a: Tensor, b: Tensor): Tensor {
  return cast(less(a, b), 'float32');
}

/** Shares of dy for two operands. `winsA` and `winsB` are 0/1 masks; on ties both are 0 and each share is a half. */
function selectGradient(dy: Tensor, winsA: Tensor, winsB: Tensor): [Tensor, Tensor] {
  const half = mul(dy, 0.5);
  const difference = sub(winsA, winsB);
  return [mul(half, add(1, difference)), mul(half, sub(1, difference))];
}

/** `|x|`, element by element. The gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  // dx = dy sign(x)
  return unary('abs', 'Abs', x, (dy) => mul(dy, emit('Sign', [x], x.dtype, x.shape)));
}

/** `e ** x`, element by element. */
export function exp(x: Tensor): Tensor {
  // dx = dy y
  return unary('exp', 'Exp', x, (dy, _x, y) => mul(dy, y));
}

/** Natural logarithm, element by element; NaN for negative x. */
export function log(x: Tensor): Tensor {
  // dx = dy / x
  return unary('log', 'Log', x, (dy) => div(dy, x));
}

/** Square root, element by element; NaN for negative x. The gradient at 0 is infinite. */
export function sqrt(x: Tensor): Tensor {
  // dx = dy / (2 y)
  return unary('sqrt', 'Sqrt', x, (dy, _x, y) => div(mul(dy, 0.5), y));
}

/** `x * x`, element by element. */
export function square(x: Tensor): Tensor {
  return differentiableOne(
    'square',
    [x],
    () => emit('Mul', [x, x], x.dtype, x.shape),
    // dx = 2 dy x
    (dy) => [mul(dy, mul(x, 2))],
  );
}

/** Hyperbolic tangent, element by element. */
export function tanh(x: Tensor): Tensor {
  // dx = dy (1 - y²)
  return unary('tanh', 'Tanh', x, (dy, _x, y) => mul(dy, sub(1, square(y))));
}

/** `1 / (1 + exp(-x))`, element by element. */
export function sigmoid(x: Tensor): Tensor {
  // dx = dy y (1 - y)
  return unary('sigmoid', 'Sigmoid', x, (dy, _x, y) => mul(dy, mul(y, sub(1, y))));
}

/** The error function, `2 / sqrt(pi)` times the integral of `exp(-t²)` from 0 to x. */
export function erf(x: Tensor): Tensor {
  // dx = dy 2 / sqrt(pi) exp(-x²)
  return unary('erf', 'Erf', x, (dy) => mul(dy, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))));
}

/** Sine of an angle in radians, element by element. */
export function sin(x: Tensor): Tensor {
  // dx = dy cos(x)
  return unary('sin', 'Sin', x, (dy) => mul(dy, cos(x)));
}

/** Cosine of an angle in radians, element by element. */
export function cos(x: Tensor): Tensor {
  // dx = -dy sin(x)
  return unary('cos', 'Cos', x, (dy) => neg(mul(dy, sin(x))));
}

/** Arcsine in radians of x in [-1, 1], element by element; NaN elsewhere. The gradient is infinite at both ends. */
export function asin(x: Tensor): Tensor {
  // dx = dy / sqrt(1 - x²)
  return unary('asin', 'Asin', x, (dy) => div(dy, sqrt(sub(1, square(x)))));
}

/** Arccosine in radians of x in [-1, 1], element by element; NaN elsewhere. The gradient is infinite at both ends. */
export function acos(x: Tensor): Tensor {
  // dx = -dy / sqrt(1 - x²)
  return unary('acos', 'Acos', x, (dy) => neg(div(dy, sqrt(sub(1, square(x))))));
}

/**
 * Limits x to [low, high]. The gradient is 0 outside and passes on the bounds, so that a clipped value can move again.
 *
 * @throws RangeError unless low <= high
 */
export function clip(x: Tensor, low: number, high: number): Tensor {
  if (!(low <= high)) throw new RangeError(`clip: low must not exceed high, got ${low} and ${high}`);
  return differentiableOne(
    'clip',
    [x],
    () => emit('Clip', [x, scalar(low), scalar(high)], x.dtype, x.shape),
    // dx = dy [x = y]
    (dy, y) => [mul(dy, cast(equal(x, y), 'float32'))],
  );
}

/** `a > b`, element by element. Shapes broadcast. The result is bool and has no gradient. */
export function greater(a: Operand, b: Operand): Tensor {
  return emitBroadcast('greater', 'Greater', tensorOf(a), tensorOf(b), 'bool');
}

/** `a < b`, element by element. Shapes broadcast. The result is bool and has no gradient. */
export function less(a: Operand, b: Operand): Tensor {
  return emitBroadcast('less', 'Less', tensorOf(a), tensorOf(b), 'bool');
}

/** `a >= b`, element by element. Shapes broadcast. The result is bool and has no gradient. */
export function greaterOrEqual(a: Operand, b: Operand): Tensor {
  return emitBroadcast('greaterOrEqual', 'GreaterOrEqual', tensorOf(a), tensorOf(b), 'bool');
}

/** `a <= b`, element by element. Shapes broadcast. The result is bool and has no gradient. */
export function lessOrEqual(a: Operand, b: Operand): Tensor {
  return emitBroadcast('lessOrEqual', 'LessOrEqual', tensorOf(a), tensorOf(b), 'bool');
}

/** `a = b`, element by element. Shapes broadcast. The result is bool and has no gradient. */
export function equal(a: Operand, b: Operand): Tensor {
  return emitBroadcast('equal', 'Equal', tensorOf(a), tensorOf(b), 'bool');
}

/**
 * `condition ? a : b`, element by element. All three shapes broadcast.
 *
 * @param condition a tensor of bool
 */
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
    // da = condition ? dy : 0, db = condition ? 0 : dy
    (dy) => [sumToShape(where(condition, dy, 0), ta), sumToShape(where(condition, 0, dy), tb)],
  );
}

/** Changes the element type. The gradient is cast back; it stops at integers and bool. */
export function cast(x: Tensor, dtype: Tensor['dtype']): Tensor {
  if (x.dtype === dtype) return x;
  const y = differentiableOne(
    'cast',
    [x],
    () => emit('Cast', [x], dtype, x.shape, { attributes: { to: ONNX_DTYPE[dtype] } }),
    // dx = dy in the type of x
    (dy) => [x.dtype === 'float32' || x.dtype === 'float16' ? cast(dy, x.dtype) : undefined],
  );
  const isNarrow = x.dtype === 'float16' || CONSTANT_FLOATS.includes(x.dtype);
  if (isNarrow && x.trace.constants.has(x)) x.trace.widened.set(y, x);
  return y;
}

/** The value of x, through which no gradient flows. Reference: torch.Tensor.detach. */
export function stopGradient(x: Tensor): Tensor {
  return differentiableOne(
    'stopGradient',
    [x],
    () => emit('Identity', [x], x.dtype, x.shape),
    // dx = 0
    () => [undefined],
  );
}
