/** @file Normalisations. Reference: torch.nn.functional.{layer_norm,group_norm,batch_norm}. */
import { show } from '../shape.ts';
import { type ConstantSource, constant, differentiable, emitMany, type Tensor } from '../trace.ts';
import { add, div, mul, sqrt, sub } from './arithmetic.ts';
import { mean } from './reduce.ts';
import { reshape } from './shape.ts';

/**
 * Standardises the last axis: `(x - mean) / sqrt(var + eps)`. ONNX Runtime's LayerNormalization also gives the
 * inverse deviation, which the gradient needs.
 */
function standardise(x: Tensor, eps: number): Tensor {
  const width = x.shape[x.rank - 1]!;
  const kept = [...x.shape.slice(0, -1), 1];
  const ones = constant(onesOf(width));
  const [y] = differentiable(
    'standardise',
    [x],
    () =>
      emitMany('LayerNormalization', [x, ones], [{ shape: x.shape }, { shape: kept }, { shape: kept }], {
        attributes: { axis: -1, epsilon: { float: eps } },
      }) as readonly Tensor[],
    ([dy], [xhat, , inverse]) => {
      if (!dy) return [];
      const along = { axes: [-1], keepDims: true };
      const projected = mul(xhat!, mean(mul(dy, xhat!), along));
      return [mul(sub(sub(dy, mean(dy, along)), projected), inverse!)];
    },
  );
  return y!;
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

/** Layer norm over the last axis; `weight` and `bias` are [width]. */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const width = x.shape[x.rank - 1];
  if (weight.rank !== 1 || weight.shape[0] !== width || bias.rank !== 1 || bias.shape[0] !== width) {
    throw new RangeError(
      `layerNorm: weight and bias must be [${width}], got ${show(weight.shape)} and ${show(bias.shape)}`,
    );
  }
  return add(mul(standardise(x, eps), weight), bias);
}

/** Group norm of [batch, channels, ...]; `weight` and `bias` are [channels]. */
export function groupNorm(x: Tensor, groups: number, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const [batch, channels] = x.shape as [number, number];
  if (x.rank < 2 || channels % groups !== 0) {
    throw new RangeError(`groupNorm: ${groups} groups do not divide the channels of x ${show(x.shape)}`);
  }
  if (weight.shape[0] !== channels || bias.shape[0] !== channels) {
    throw new RangeError(
      `groupNorm: weight and bias must be [${channels}], got ${show(weight.shape)} and ${show(bias.shape)}`,
    );
  }
  const standard = reshape(standardise(reshape(x, [batch, groups, -1]), eps), x.shape);
  const perChannel = [1, channels, ...x.shape.slice(2).map(() => 1)];
  return add(mul(standard, reshape(weight, perChannel)), reshape(bias, perChannel));
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
