/** @file Normalisations. Reference: torch.nn.functional.{layer_norm,group_norm,batch_norm}. */
import { sameShape, show } from '../shape.ts';
import {
  type ConstantSource,
  constant,
  differentiable,
  differentiableOne,
  emit,
  emitMany,
  type Tensor,
} from '../trace.ts';
import { add, div, mul, neg, sqrt, sub } from './arithmetic.ts';
import { mean, sum } from './reduce.ts';
import { reshape } from './shape.ts';

interface Standardised {
  /** `(x - mean) / sqrt(var + eps)` */
  readonly xhat: Tensor;
  /** `1 / sqrt(var + eps)`, the last axis kept with length 1. */
  readonly inverse: Tensor;
}

/** Standardises the last axis. ONNX Runtime's LayerNormalization also gives the inverse deviation for gradients. */
function standardise(x: Tensor, eps: number): Standardised {
  const width = x.shape[x.rank - 1]!;
  const kept = [...x.shape.slice(0, -1), 1];
  const ones = constant(onesOf(width));
  const along = { axes: [-1], keepDims: true };
  const [xhat, , inverse] = differentiable(
    'standardise',
    [x],
    () =>
      emitMany('LayerNormalization', [x, ones], [{ shape: x.shape }, { shape: kept }, { shape: kept }], {
        attributes: { axis: -1, epsilon: { float: eps } },
      }) as readonly Tensor[],
    ([dXhat, , dInverse], [y, , inv]) => {
      const slope = dInverse && mul(mul(dInverse, inv!), 1 / width);
      const centred = dXhat && sub(dXhat, mean(dXhat, along));
      const product = dXhat && mean(mul(dXhat, y!), along);
      const total = slope && product ? add(slope, product) : (slope ?? product!);
      const towards = mul(y!, total);
      return [mul(centred ? sub(centred, towards) : neg(towards), inv!)];
    },
  );
  return { xhat: xhat!, inverse: inverse! };
}

const onesCache = new Map<number, ConstantSource>();

function onesOf(length: number): ConstantSource {
  let ones = onesCache.get(length);
  if (!ones) {
    ones = { dtype: 'float32', shape: [length], data: new Float32Array(length).fill(1) };
    onesCache.set(length, ones);
  }
  return ones;
}

/**
 * Layer norm over the last axis; `weight` and `bias` are [width].
 *
 * Reference: torch.nn.functional.layer_norm.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const width = x.shape[x.rank - 1]!;
  if (!sameShape(weight.shape, [width]) || !sameShape(bias.shape, [width])) {
    throw new RangeError(
      `layerNorm: weight and bias must be [${width}], got x ${show(x.shape)}, weight ${show(weight.shape)} and bias ${show(bias.shape)}`,
    );
  }
  const { xhat, inverse } = standardise(x, eps);
  return differentiableOne(
    'layerNorm',
    [x, weight, bias],
    () =>
      emit('LayerNormalization', [x, weight, bias], x.dtype, x.shape, {
        attributes: { axis: -1, epsilon: { float: eps } },
      }),
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
 * Group norm of [batch, channels, ...]; `weight` and `bias` are [channels].
 *
 * Reference: torch.nn.functional.group_norm. All sums of the gradient are taken per picture and channel first, so that
 * the gradient reads the large tensors five times, once for each of
 * `dx = dy w inverse - xhat mean(dy w xhat) inverse - mean(dy w) inverse` and the product dy xhat.
 */
export function groupNorm(x: Tensor, groups: number, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
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
  const perChannel = [batch, groups, members, -1];
  const grouped = [1, groups, members, 1];
  const standard = standardise(reshape(x, [batch, groups, -1]), eps);
  const xhat = reshape(standard.xhat, perChannel);
  const inverse = reshape(standard.inverse, [batch, groups, 1, 1]);
  // The gradient goes straight to x. xhat and inverse are ordinary functions of x, so that second derivatives hold.
  return differentiableOne(
    'groupNorm',
    [x, weight, bias],
    () => reshape(add(mul(xhat, reshape(weight, grouped)), reshape(bias, grouped)), x.shape),
    (dyFlat) => {
      const dy = reshape(dyFlat, perChannel);
      const w = reshape(weight, grouped);
      const sumDy = sum(dy, { axes: [3], keepDims: true });
      const sumDyXhat = sum(mul(dy, xhat), { axes: [3], keepDims: true });
      const scale = div(inverse, members * (x.size / (batch * channels)));
      const shift = mul(sum(mul(sumDy, w), { axes: [2], keepDims: true }), scale);
      const slope = mul(sum(mul(sumDyXhat, w), { axes: [2], keepDims: true }), scale);
      const dx = sub(sub(mul(dy, mul(inverse, w)), mul(xhat, slope)), shift);
      const overBatch = (t: Tensor) => reshape(sum(t, { axes: [0] }), [channels]);
      return [reshape(dx, x.shape), overBatch(sumDyXhat), overBatch(sumDy)];
    },
  );
}

export interface BatchNormStatistics {
  /** [channels] */
  readonly mean: Tensor;
  /** [channels], biased as torch normalises with in training */
  readonly variance: Tensor;
}

/** Batch norm with given statistics (evaluation) of [batch, channels, ...]. */
export function batchNorm(
  x: Tensor,
  { mean: runningMean, variance }: BatchNormStatistics,
  weight: Tensor,
  bias: Tensor,
  eps = 1e-5,
): Tensor {
  const channels = x.shape[1]!;
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

/** Mean and biased variance of each channel over the batch, for batch norm in training. */
export function batchStatistics(x: Tensor): BatchNormStatistics {
  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const average = mean(x, { axes, keepDims: true });
  const centred = sub(x, average);
  return {
    mean: reshape(average, [x.shape[1]!]),
    variance: mean(mul(centred, centred), { axes }),
  };
}
