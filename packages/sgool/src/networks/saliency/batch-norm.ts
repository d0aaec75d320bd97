/** @file Batch norm for networks that are trained here as well as used. */
import {
  type BatchNormStatistics,
  batchNorm,
  batchStatistics,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';

/** Which statistics a batch norm uses. */
export interface BatchNormOptions {
  /** Normalise with the statistics of the batch instead of the stored running ones. */
  readonly training?: boolean;
  /**
   * In training: called with the name and the batch statistics of each batch norm, so that the trainer can keep running means.
   * `count` is the number of values per channel; torch keeps the unbiased variance, `variance * count / (count - 1)`.
   */
  readonly onBatchStatistics?: (name: string, statistics: BatchNormStatistics & { count: number }) => void;
}

/** A batch norm layer of [batch, channels, h, w] by its full name. */
export type BatchNormLayer = (name: string, x: Tensor) => Tensor;

/** Batch norm layers (eps 1e-5) with `<name>.{weight,bias}`, and `<name>.running_{mean,var}` outside of training. */
export function batchNormLayers(
  weights: Weights,
  { training = false, onBatchStatistics }: BatchNormOptions,
): BatchNormLayer {
  return (name, x) => {
    const channels = [x.shape[1]];
    let statistics: BatchNormStatistics;
    if (training) {
      statistics = batchStatistics(x);
      onBatchStatistics?.(name, { ...statistics, count: x.size / x.shape[1] });
    } else {
      statistics = {
        mean: weights.get(`${name}.running_mean`, channels),
        variance: weights.get(`${name}.running_var`, channels),
      };
    }
    return batchNorm(
      x,
      statistics,
      weights.get(`${name}.weight`, channels),
      weights.get(`${name}.bias`, channels),
    );
  };
}
