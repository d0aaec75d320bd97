/** @file Optimisers as tensor programs. Reference: torch.optim.AdamW, torch.optim.Muon, torch.nn.utils.clip_grad_norm_. */
import { sameShape, show } from '../graph/shape.ts';
import type { Tensor } from '../graph/trace.ts';
import { div, minimum, sqrt, square } from './arithmetic.ts';
import { add, mul, sub, sum } from './core.ts';
import { matmul, transposeLast } from './matmul.ts';

/** What `adamW` updates. */
export interface AdamWState {
  /** Any shape; the other tensors have the same. */
  readonly parameters: Tensor;
  /** Running mean of gradients. */
  readonly first: Tensor;
  /** Running mean of squared gradients. */
  readonly second: Tensor;
}

/** Options of `adamW`. */
export interface AdamWOptions {
  /** Decay of the mean of gradients. Default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients. Default 0.999. */
  readonly beta2?: number;
  /** Added to the denominator. Default 1e-8. */
  readonly epsilon?: number;
  /** Per step and unit of learning rate. Default 0.01. */
  readonly weightDecay?: number;
  /** Multiplies the decay, element by element: 0 for biases and norms, 1 for matrices. Default: 1. */
  readonly decayMask?: Tensor;
}

/**
 * One AdamW step with decoupled weight decay.
 *
 * @param learningRate scalar tensor
 * @param correction1 scalar tensor, `1 - beta1 ** step`, step counted from 1
 * @param correction2 scalar tensor, `1 - beta2 ** step`
 * @throws RangeError where the shapes differ
 *
 * Reference: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
 */
export function adamW(
  { parameters, first, second }: AdamWState,
  gradient: Tensor,
  learningRate: Tensor,
  correction1: Tensor,
  correction2: Tensor,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01, decayMask }: AdamWOptions = {},
): AdamWState {
  const tensors = { parameters, first, second, gradient };
  if (Object.values(tensors).some((t) => !sameShape(t.shape, parameters.shape))) {
    const list = Object.entries(tensors).map(([name, t]) => `${name} ${show(t.shape)}`);
    throw new RangeError(`adamW: all tensors must have one shape, got ${list.join(', ')}`);
  }
  const nextFirst = add(mul(first, beta1), mul(gradient, 1 - beta1));
  const nextSecond = add(mul(second, beta2), mul(square(gradient), 1 - beta2));
  const denominator = add(sqrt(div(nextSecond, correction2)), epsilon);
  const step = div(div(nextFirst, correction1), denominator);
  const decayed = weightDecay === 0 ? undefined : mul(parameters, weightDecay);
  const total = decayed ? add(step, decayMask ? mul(decayed, decayMask) : decayed) : step;
  return { parameters: sub(parameters, mul(total, learningRate)), first: nextFirst, second: nextSecond };
}

/** What `muon` updates. */
export interface MuonState {
  /** Matrices, [n, rows, columns]. A kernel counts as a matrix with one row for each output channel. */
  readonly parameters: Tensor;
  /** Running mean of gradients. */
  readonly momentum: Tensor;
}

/** Options of `muon`. */
export interface MuonOptions {
  /** Decay of the mean of gradients. Default 0.95. */
  readonly momentum?: number;
  /** Per step and unit of learning rate. Default 0.1. */
  readonly weightDecay?: number;
}

/**
 * One step of Muon with Nesterov's momentum on a stack of matrices. All singular values of the momentum are made about 1, so
 * that rare directions learn as fast as common ones.
 *
 * @param learningRate scalar tensor; multiplied by sqrt(rows / columns) for matrices of more rows than columns
 * @throws RangeError where the tensors do not share one shape [n, rows, columns]
 *
 * Reference: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
 */
export function muon(
  { parameters, momentum }: MuonState,
  gradient: Tensor,
  learningRate: Tensor,
  { momentum: beta = 0.95, weightDecay = 0.1 }: MuonOptions = {},
): MuonState {
  const { shape } = parameters;
  if (shape.length !== 3 || [momentum, gradient].some((t) => !sameShape(t.shape, shape))) {
    throw new RangeError(
      `muon: parameters, momentum and gradient must share one shape [n, rows, columns], got ${show(shape)}, ${show(momentum.shape)} and ${show(gradient.shape)}`,
    );
  }
  const next = add(mul(momentum, beta), mul(gradient, 1 - beta));
  const direction = orthogonalise(add(mul(next, beta), mul(gradient, 1 - beta)));
  const scale = Math.sqrt(Math.max(1, shape[1] / shape[2]));
  const kept = sub(parameters, mul(mul(parameters, weightDecay), learningRate));
  return { parameters: sub(kept, mul(mul(direction, scale), learningRate)), momentum: next };
}

/** Five quintic Newton-Schulz iterations with Muon's coefficients: singular values end between 0.7 and 1.2. */
function orthogonalise(matrices: Tensor): Tensor {
  const [, rows, columns] = matrices.shape as [number, number, number];
  const tall = rows > columns;
  const norm = sqrt(sum(square(matrices), { axes: [1, 2], keepDims: true }));
  let x = div(tall ? transposeLast(matrices) : matrices, add(norm, 1e-7));
  for (let i = 0; i < 5; i++) {
    const gram = matmul(x, transposeLast(x));
    const polynomial = add(mul(gram, -4.775), mul(matmul(gram, gram), 2.0315));
    x = add(mul(x, 3.4445), matmul(polynomial, x));
  }
  return tall ? transposeLast(x) : x;
}

/**
 * `average * decay + value * (1 - decay)`, of two tensors of one shape.
 *
 * @param decay scalar tensor, so that it can warm up
 * @throws RangeError where the shapes differ
 */
export function exponentialMovingAverage(average: Tensor, value: Tensor, decay: Tensor): Tensor {
  if (!sameShape(average.shape, value.shape)) {
    throw new RangeError(
      `exponentialMovingAverage: average and value must have one shape, got ${show(average.shape)} and ${show(value.shape)}`,
    );
  }
  return add(value, mul(sub(average, value), decay));
}

/** Euclidean norm over all elements of all gradients, a scalar; needs at least one gradient. */
function globalNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map((g) => sum(square(g))).reduce((a, b) => add(a, b)));
}

/**
 * Scales gradients so that their common norm is at most `maxNorm`.
 *
 * @returns the scaled gradients, and the norm before scaling, a scalar
 *
 * Reference: torch.nn.utils.clip_grad_norm_.
 */
export function clipByGlobalNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
): { clipped: Tensor[]; norm: Tensor } {
  const norm = globalNorm(gradients);
  const factor = minimum(div(maxNorm, add(norm, 1e-6)), 1);
  return { clipped: gradients.map((g) => mul(g, factor)), norm };
}
