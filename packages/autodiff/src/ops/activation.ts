/** @file Activations, element by element. Reference: torch.nn.functional. */

import { sameShape, show } from '../graph/shape.ts';
import { differentiableOne, emit, scalar, type Tensor } from '../graph/trace.ts';
import { cast, erf, exp, greater, sigmoid, square } from './arithmetic.ts';
import { controlDependency, RECOMPUTED_BYTES } from './control-dependency.ts';
import { add, mul, neg, sub } from './core.ts';

/** `max(x, 0)`. The gradient at 0 is 0. Reference: torch.relu. */
export function relu(x: Tensor): Tensor {
  return differentiableOne(
    'relu',
    [x],
    () => emit('Relu', [x], x.dtype, x.shape),
    // dx = dy [x > 0]
    (dy) => [mul(dy, cast(greater(x, 0), 'float32'))],
  );
}

/** `x * sigmoid(x)`. Reference: torch.nn.functional.silu. */
export function silu(x: Tensor): Tensor {
  return scaledSigmoid('silu', x, 1);
}

/** The derivative of `silu` at x. */
export function siluSlope(x: Tensor): Tensor {
  const s = sigmoid(x);
  return siluSlopeFrom(mul(x, s), s);
}

/** The same from y = silu(x) and s = sigmoid(x): `s + y (1 - s)`, computed as `y + s (1 - y)`. */
function siluSlopeFrom(y: Tensor, s: Tensor): Tensor {
  return add(y, mul(s, sub(1, y)));
}

/** `x * sigmoid(1.702 x)`, CLIP's approximation of GELU. Reference: transformers' QuickGELUActivation. */
export function quickGelu(x: Tensor): Tensor {
  return scaledSigmoid('quickGelu', x, 1.702);
}

/**
 * Emitted as a sigmoid and a product. ONNX Runtime fuses the two where no gradient is wanted; where one is, the backward
 * pass has the sigmoid already.
 */
function scaledSigmoid(who: string, x: Tensor, alpha: number): Tensor {
  const s = sigmoid(alpha === 1 ? x : mul(x, alpha));
  return differentiableOne(
    who,
    [x],
    () => mul(x, s),
    // dx = dy (s + alpha y (1 - s)), s = sigmoid(alpha x)
    (dy, y) => [mul(dy, alpha === 1 ? siluSlopeFrom(y, s) : add(s, mul(mul(y, alpha), sub(1, s))))],
  );
}

/** GELU with the error function, `x * (1 + erf(x / sqrt(2))) / 2`. Reference: torch.nn.functional.gelu. */
export function gelu(x: Tensor): Tensor {
  return differentiableOne(
    'gelu',
    [x],
    () => emit('Gelu', [x], x.dtype, x.shape, { domain: 'com.microsoft' }),
    (dy) => {
      // dx = dy (1 + erf(u) + 2 / sqrt(pi) u exp(-u²)) / 2, u = x / sqrt(2)
      const u = mul(x, Math.SQRT1_2);
      return [mul(mul(dy, 0.5), add(add(erf(u), bell(u)), 1))];
    },
  );
}

/** `2 / sqrt(pi) u exp(-u²)`, with the factor moved into the exponent. */
function bell(u: Tensor): Tensor {
  return mul(u, exp(sub(Math.log(2 / Math.sqrt(Math.PI)), square(u))));
}

/**
 * `value * gelu(gate)`, of two tensors of one shape. For large tensors the backward pass keeps only these two.
 *
 * @throws RangeError where the shapes differ
 *
 * Reference: Shazeer 2020, "GLU Variants Improve Transformer".
 */
export function geglu(value: Tensor, gate: Tensor): Tensor {
  if (!sameShape(value.shape, gate.shape)) {
    throw new RangeError(
      `geglu: value and gate must have one shape, got ${show(value.shape)} and ${show(gate.shape)}`,
    );
  }
  if (4 * gate.size < RECOMPUTED_BYTES) return mul(value, gelu(gate));
  return differentiableOne(
    'geglu',
    [value, gate],
    () => mul(value, gelu(gate)),
    (dy) => {
      // dvalue = dy gelu(gate), dgate = dy value gelu'(gate), with gelu(g) = g (1 + erf(u)) / 2, u = g / sqrt(2)
      const u = mul(gate, controlDependency(scalar(Math.SQRT1_2), [dy]));
      const half = mul(dy, 0.5);
      const twicePhi = add(erf(u), 1);
      return [mul(half, mul(gate, twicePhi)), mul(mul(half, value), add(twicePhi, bell(u)))];
    },
  );
}

/** sqrt(8 / pi), and that times 0.044715: `2 u = x (LINEAR + CUBIC x²)` in GELU's tanh approximation. */
const LINEAR = Math.sqrt(8 / Math.PI);
const CUBIC = 0.044715 * LINEAR;

/**
 * GELU's tanh approximation, `x (1 + tanh u) / 2 = x sigmoid(2 u)` with `u = sqrt(2 / pi) (x + 0.044715 x³)`. As a sigmoid it takes half
 * as many passes over memory, forward and backward.
 *
 * Reference: torch.nn.functional.gelu with approximate='tanh'.
 */
export function geluTanh(x: Tensor): Tensor {
  const s = sigmoid(mul(x, add(mul(square(x), CUBIC), LINEAR)));
  return differentiableOne(
    'geluTanh',
    [x],
    () => mul(x, s),
    // dx = dy (s + y (1 - s) d(2 u) / dx), s = sigmoid(2 u)
    (dy, y) => [mul(dy, add(s, mul(mul(y, sub(1, s)), add(mul(square(x), 3 * CUBIC), LINEAR))))],
  );
}

/** `log(1 + exp(x))`, stable for large |x|. Reference: torch.nn.functional.softplus. */
export function softplus(x: Tensor): Tensor {
  return differentiableOne(
    'softplus',
    [x],
    () => emit('Softplus', [x], x.dtype, x.shape),
    // dx = dy sigmoid(x)
    (dy) => [mul(dy, sigmoid(x))],
  );
}

/**
 * Binary cross-entropy of logits, element by element: `softplus(x) - x * target`. Shapes broadcast.
 *
 * Reference: torch.nn.functional.binary_cross_entropy_with_logits with reduction='none'.
 */
export function bceWithLogits(x: Tensor, target: Tensor): Tensor {
  return add(softplus(x), neg(mul(x, target)));
}
