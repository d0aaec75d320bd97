/** @file Activations. Reference: torch.nn.functional. */

import { sameShape, show } from '../graph/shape.ts';
import { differentiableOne, emit, scalar, type Tensor } from '../graph/trace.ts';
import { cast, erf, exp, greater, sigmoid, square, tanh } from './arithmetic.ts';
import { controlDependency, REMEMBERED_BYTES } from './control-dependency.ts';
import { add, mul, neg, sub } from './core.ts';

/** `max(x, 0)` */
export function relu(x: Tensor): Tensor {
  return differentiableOne(
    'relu',
    [x],
    () => emit('Relu', [x], x.dtype, x.shape),
    (dy) => [mul(dy, cast(greater(x, 0), 'float32'))],
  );
}

/** `x * sigmoid(x)` */
export function silu(x: Tensor): Tensor {
  return scaledSigmoid('silu', x, 1);
}

/** Derivative of `silu`. */
export function siluSlope(x: Tensor): Tensor {
  const s = sigmoid(x);
  return siluSlopeFrom(mul(x, s), s);
}

/** From the value and the sigmoid: `s + y (1 - s)`, as `y + s (1 - y)`. */
function siluSlopeFrom(y: Tensor, s: Tensor): Tensor {
  return add(y, mul(s, sub(1, y)));
}

/** `x * sigmoid(1.702 x)`, CLIP's approximation of GELU. */
export function quickGelu(x: Tensor): Tensor {
  return scaledSigmoid('quickGelu', x, 1.702);
}

/**
 * Emitted as sigmoid and product: ONNX Runtime fuses the two where no gradient is asked for, and where one is, the
 * sigmoid is at hand on the way back.
 */
function scaledSigmoid(who: string, x: Tensor, alpha: number): Tensor {
  const s = sigmoid(alpha === 1 ? x : mul(x, alpha));
  return differentiableOne(
    who,
    [x],
    () => mul(x, s),
    // d/dx = s + alpha y (1 - s)
    (dy, y) => [mul(dy, alpha === 1 ? siluSlopeFrom(y, s) : add(s, mul(mul(y, alpha), sub(1, s))))],
  );
}

/** GELU with the error function: `x * Phi(x)`. */
export function gelu(x: Tensor): Tensor {
  return differentiableOne(
    'gelu',
    [x],
    () => emit('Gelu', [x], x.dtype, x.shape, { domain: 'com.microsoft' }),
    (dy) => {
      // With u = x / sqrt(2): d/dx = (1 + erf(u) + bell(u)) / 2.
      const u = mul(x, Math.SQRT1_2);
      return [mul(mul(dy, 0.5), add(add(erf(u), bell(u)), 1))];
    },
  );
}

/** `2 / sqrt(pi) u exp(-u^2)`, the factor taken into the exponent. */
function bell(u: Tensor): Tensor {
  return mul(u, exp(sub(Math.log(2 / Math.sqrt(Math.PI)), square(u))));
}

/**
 * `value * gelu(gate)`, of one shape. Of large tensors nothing but the two is kept for the way back.
 *
 * Reference: Shazeer 2020, "GLU Variants Improve Transformer".
 */
export function geglu(value: Tensor, gate: Tensor): Tensor {
  if (!sameShape(value.shape, gate.shape)) {
    throw new RangeError(
      `geglu: value and gate must have one shape, got ${show(value.shape)} and ${show(gate.shape)}`,
    );
  }
  if (4 * gate.size < REMEMBERED_BYTES) return mul(value, gelu(gate));
  return differentiableOne(
    'geglu',
    [value, gate],
    () => mul(value, gelu(gate)),
    (dy) => {
      const u = mul(gate, controlDependency(scalar(Math.SQRT1_2), [dy]));
      const half = mul(dy, 0.5);
      const twicePhi = add(erf(u), 1);
      return [mul(half, mul(gate, twicePhi)), mul(mul(half, value), add(twicePhi, bell(u)))];
    },
  );
}

/** GELU's tanh approximation. */
export function geluTanh(x: Tensor): Tensor {
  const inner = mul(mul(x, add(mul(square(x), 0.044715), 1)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

/** `log(1 + exp(x))`, stable for large |x|. */
export function softplus(x: Tensor): Tensor {
  return differentiableOne(
    'softplus',
    [x],
    () => emit('Softplus', [x], x.dtype, x.shape),
    (dy) => [mul(dy, sigmoid(x))],
  );
}

/** Binary cross-entropy of logits, element by element: `softplus(x) - x * target`. */
export function bceWithLogits(x: Tensor, target: Tensor): Tensor {
  return add(softplus(x), neg(mul(x, target)));
}
