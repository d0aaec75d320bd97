/**
 * @file The image encoder of TranSalNet, named by its place in torch's module lists: the stem that both variants share, then
 * the stages of a ResNet or a DenseNet.
 */
import { maxPool2d, relu, type Tensor, type Weights } from '@sgool/autodiff';
import { type ConvLayerOptions, convLayer } from '../layers.ts';
import { type BackboneLayers, ROOT, type Taps } from './backbone-layers.ts';
import type { BatchNormLayer } from './batch-norm.ts';
import { denseStages } from './densenet.ts';
import { residualStages } from './resnet.ts';
import type { TranSalNetConfig } from './transalnet-config.ts';

/** The encoder that the configuration names; `x` is [batch, 3, H, W]. */
export function backbone(config: TranSalNetConfig, weights: Weights, norm: BatchNormLayer, x: Tensor): Taps {
  const conv = (name: string, from: Tensor, channels: number, options: ConvLayerOptions = {}) =>
    convLayer(weights, name, from, channels, { bias: false, ...options });
  const layers: BackboneLayers = { conv, norm };
  // Stem: [batch, 3, H, W] -> [batch, base_width, H / 4, W / 4].
  const stem = conv(`${ROOT}.0`, x, config.base_width, { kernel: 7, stride: 2 });
  const start = maxPool2d(relu(norm(`${ROOT}.1`, stem)), { kernel: 3, stride: 2, padding: 1 });
  return (config.variant === 'dense' ? denseStages : residualStages)(config, layers, start);
}
