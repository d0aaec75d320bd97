/** @file Normalisations. Reference: torch.nn.functional.{layer_norm,group_norm,batch_norm}. */

import { type Shape, sameShape, show, sizeOf } from '../graph/shape.ts';
import {
  type ConstantSource,
  constant,
  differentiable,
  differentiableOne,
  emit,
  emitMany,
  type Tensor,
} from '../graph/trace.ts';
import { silu, siluSlope } from './activation.ts';
import { div, sqrt } from './arithmetic.ts';
import { controlDependency, RECOMPUTED_BYTES } from './control-dependency.ts';
import { add, mul, neg, reshape, sub, sum } from './core.ts';
import { mean } from './reduce.ts';

interface Standardised {
  /** `(x - mean) / sqrt(var + eps)` */
  readonly xhat: Tensor;
  /** `1 / sqrt(var + eps)`, the reduced axes kept with length 1. */
  readonly inverse: Tensor;
}

/**
 * Standardises over all axes from `axis` on. ONNX Runtime's LayerNormalization also gives the inverse deviation, which
 * gradients need.
 */
function standardise(x: Tensor, axis: number, eps: number): Standardised {
  const axes = x.shape.map((_, i) => i).slice(axis);
  const kept = x.shape.map((length, i) => (i < axis ? length : 1));
  const inner = x.shape.slice(axis);
  const along = { axes, keepDims: true };
  const [xhat, , inverse] = differentiable(
    'standardise',
    [x],
    () =>
      emitMany(
        'LayerNormalization',
        [x, constant(onesOf(inner))],
        [{ shape: x.shape }, { shape: kept }, { shape: kept }],
        {
          attributes: { axis, epsilon: { float: eps } },
        },
      ) as readonly Tensor[],
    // dx = inverse (dxhat - mean(dxhat) - xhat mean(dxhat xhat)) - inverse² xhat dinverse / n
    ([dXhat, , dInverse], [y, , inv]) => {
      const slope = dInverse && mul(mul(dInverse, inv), 1 / sizeOf(inner));
      const centred = dXhat && sub(dXhat, mean(dXhat, along));
      const product = dXhat && mean(mul(dXhat, y), along);
      const total = slope && product ? add(slope, product) : (slope ?? product);
      if (!total) return [undefined];
      const towards = mul(y, total);
      return [mul(centred ? sub(centred, towards) : neg(towards), inv)];
    },
  );
  return { xhat: xhat, inverse: inverse };
}

const onesCache = new Map<string, ConstantSource>();

function onesOf(shape: Shape): ConstantSource {
  const key = show(shape);
  let ones = onesCache.get(key);
  if (!ones) {
    ones = { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).fill(1) };
    onesCache.set(key, ones);
  }
  return ones;
}

/**
 * Layer norm over the last axis.
 *
 * @param x [..., width]
 * @param weight [width]
 * @param bias [width]
 * @param eps added to the variance
 * @throws RangeError where the shapes do not fit
 *
 * Reference: torch.nn.functional.layer_norm.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const width = x.shape[x.rank - 1];
  if (!sameShape(weight.shape, [width]) || !sameShape(bias.shape, [width])) {
    throw new RangeError(
      `layerNorm: weight and bias must be [${width}], got x ${show(x.shape)}, weight ${show(weight.shape)} and bias ${show(bias.shape)}`,
    );
  }
  const { xhat, inverse } = standardise(x, x.rank - 1, eps);
  return differentiableOne(
    'layerNorm',
    [x, weight, bias],
    () =>
      emit('LayerNormalization', [x, weight, bias], x.dtype, x.shape, {
        attributes: { axis: -1, epsilon: { float: eps } },
      }),
    // With t = dy weight: dx = inverse (t - mean(t) - xhat mean(t xhat)), dweight = sum(dy xhat), dbias = sum(dy)
    (dy) => {
      const along = { axes: [-1], keepDims: true };
      const rows = x.shape.slice(0, -1).map((_, i) => i);
      const weighted = mul(dy, weight);
      const product = mul(dy, xhat);
      const slope = mean(mul(product, weight), along);
      const dx = mul(sub(weighted, add(mul(xhat, slope), mean(weighted, along))), inverse);
      return [dx, sum(product, { axes: rows }), sum(dy, { axes: rows })];
    },
  );
}

/**
 * Group norm.
 *
 * @param x [batch, channels, ...]
 * @param groups number of groups that channels are divided into
 * @param weight [channels]
 * @param bias [channels]
 * @param eps added to the variance
 * @throws RangeError where the shapes do not fit or the groups do not divide the channels
 *
 * Reference: torch.nn.functional.group_norm.
 */
export function groupNorm(x: Tensor, groups: number, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const parts = grouped(x, groups, weight, bias, eps);
  const { xhat, w, b } = parts;
  return differentiableOne(
    'groupNorm',
    [x, weight, bias],
    () => reshape(add(mul(xhat, w), b), x.shape),
    (dy) => groupNormGradient(parts, dy),
  );
}

/**
 * `silu(groupNorm(x))`, with the parameters of `groupNorm`. For large maps with frozen weights the backward pass keeps only the
 * standardised numbers.
 */
export function groupNormSilu(x: Tensor, groups: number, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const isFrozen = [weight, bias].every((t) => t.trace.folded.has(t));
  if (!isFrozen || 4 * x.size < RECOMPUTED_BYTES) return silu(groupNorm(x, groups, weight, bias, eps));
  const parts = grouped(x, groups, weight, bias, eps);
  const { xhat, w, b } = parts;
  return differentiableOne(
    'groupNormSilu',
    [x, weight, bias],
    () => reshape(silu(add(mul(xhat, w), b)), x.shape),
    (dyFlat) => {
      const dy = reshape(dyFlat, xhat.shape);
      const again = add(mul(xhat, controlDependency(w, [dyFlat])), b);
      return groupNormGradient(parts, mul(dy, siluSlope(again)));
    },
  );
}

interface Grouped extends Standardised {
  readonly x: Tensor;
  readonly weight: Tensor;
  /** Weight and bias, [1, groups, members, 1]. */
  readonly w: Tensor;
  readonly b: Tensor;
}

/** The standardised numbers, [batch, groups, members, positions], with their weight and bias. */
function grouped(x: Tensor, groups: number, weight: Tensor, bias: Tensor, eps: number): Grouped {
  const [batch, channels] = x.shape as [number, number];
  if (x.rank < 2 || channels % groups !== 0) {
    throw new RangeError(`groupNorm: ${groups} groups do not divide the channels of x ${show(x.shape)}`);
  }
  if (!sameShape(weight.shape, [channels]) || !sameShape(bias.shape, [channels])) {
    throw new RangeError(
      `groupNorm: weight and bias must be [${channels}], got ${show(weight.shape)} and ${show(bias.shape)}`,
    );
  }
  const members = channels / groups;
  // The gradient goes straight to x. xhat and inverse are ordinary functions of x, so that second derivatives hold.
  const standardised = standardise(reshape(x, [batch, groups, members, -1]), 2, eps);
  const shape = [1, groups, members, 1];
  return { ...standardised, x, weight, w: reshape(weight, shape), b: reshape(bias, shape) };
}

/**
 * With t = dy weight inverse: dx = t - mean(t) - xhat mean(t xhat), dweight = sum(dy xhat), dbias = sum(dy). Where weight and
 * bias are trained, sums are taken per image and channel first, because their gradients need these too.
 */
function groupNormGradient({ xhat, inverse, x, weight, w }: Grouped, dyFlat: Tensor): Tensor[] {
  const dy = reshape(dyFlat, xhat.shape);
  const [batch, groups] = xhat.shape as [number, number];
  const sumDy = sum(dy, { axes: [3], keepDims: true });
  const sumDyXhat = sum(mul(dy, xhat), { axes: [3], keepDims: true });
  const overBatch = (t: Tensor) => reshape(sum(t, { axes: [0] }), weight.shape);
  const t = mul(dy, mul(w, inverse));
  let [slope, shift]: Tensor[] = [];
  if (weight.trace.folded.has(weight)) {
    const overGroup = { axes: [2, 3], keepDims: true };
    [slope, shift] = [mean(mul(t, xhat), overGroup), mean(t, overGroup)];
  } else {
    const share = div(inverse, xhat.size / (batch * groups));
    const ofGroup = (sums: Tensor) => mul(sum(mul(sums, w), { axes: [2], keepDims: true }), share);
    [slope, shift] = [ofGroup(sumDyXhat), ofGroup(sumDy)];
  }
  const dx = sub(sub(t, mul(xhat, slope)), shift);
  return [reshape(dx, x.shape), overBatch(sumDyXhat), overBatch(sumDy)];
}

/** Statistics of batch norm. */
export interface BatchNormStatistics {
  /** [channels] */
  readonly mean: Tensor;
  /** [channels], the biased variance that torch uses in training */
  readonly variance: Tensor;
}

/**
 * Batch norm with given statistics.
 *
 * @param x [batch, channels, ...]
 * @param weight [channels]
 * @param bias [channels]
 * @param eps added to the variance
 * @throws RangeError where the shapes do not fit
 *
 * Reference: torch.nn.functional.batch_norm.
 */
export function batchNorm(
  x: Tensor,
  { mean: runningMean, variance }: BatchNormStatistics,
  weight: Tensor,
  bias: Tensor,
  eps = 1e-5,
): Tensor {
  const channels = x.shape[1];
  for (const t of [runningMean, variance, weight, bias]) {
    if (t.rank !== 1 || t.shape[0] !== channels) {
      throw new RangeError(
        `batchNorm: statistics, weight and bias must be [${channels}], got ${show(t.shape)} for x ${show(x.shape)}`,
      );
    }
  }
  const perChannel = [1, channels, ...x.shape.slice(2).map(() => 1)];
  const scale = div(weight, sqrt(add(variance, eps)));
  const shift = sub(bias, mul(runningMean, scale));
  return add(mul(x, reshape(scale, perChannel)), reshape(shift, perChannel));
}

/** Mean and biased variance of each channel of [batch, channels, ...], for batch norm in training. */
export function batchStatistics(x: Tensor): BatchNormStatistics {
  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const average = mean(x, { axes, keepDims: true });
  const centred = sub(x, average);
  return {
    mean: reshape(average, [x.shape[1]]),
    variance: mean(mul(centred, centred), { axes }),
  };
}
