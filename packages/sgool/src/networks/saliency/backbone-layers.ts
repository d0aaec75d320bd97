/** @file What the two backbones of TranSalNet share. */
import type { Tensor } from '@sgool/autodiff';
import type { ConvLayerOptions } from '../layers.ts';
import type { BatchNormLayer } from './batch-norm.ts';

/** Feature maps at 1/8, 1/16 and 1/32 of the image's size. */
export type Taps = readonly [eighth: Tensor, sixteenth: Tensor, thirtySecond: Tensor];

/** The prefix of all names of a backbone. */
export const ROOT = 'encoder.encoder';

/** Layers by the full names of their weights. */
export interface BackboneLayers {
  /** A convolution without bias. */
  conv(name: string, from: Tensor, channels: number, options?: ConvLayerOptions): Tensor;
  readonly norm: BatchNormLayer;
}
