/**
 * @file The two image encoders of TranSalNet, named by their place in torch's module lists. Reference: torchvision,
 * models/resnet.py (ResNet-50 v1.5) and models/densenet.py (DenseNet-161).
 */
import { add, avgPool2d, concat, maxPool2d, relu, type Tensor, type Weights } from '@sgool/autodiff';
import type { TranSalNetConfig } from '../config.ts';
import { type ConvLayerOptions, convLayer } from '../layers.ts';
import type { BatchNormLayer } from './batch-norm.ts';

/** Feature maps at 1/8, 1/16 and 1/32 of the image's size. */
export type Taps = readonly [eighth: Tensor, sixteenth: Tensor, thirtySecond: Tensor];

/** The encoder that the configuration names; `x` is [batch, 3, H, W]. */
export function backbone(config: TranSalNetConfig, weights: Weights, norm: BatchNormLayer, x: Tensor): Taps {
  const conv = (name: string, from: Tensor, channels: number, options: ConvLayerOptions = {}) =>
    convLayer(weights, name, from, channels, { bias: false, ...options });
  const stem = conv(`${ROOT}.0`, x, config.base_width, { kernel: 7, stride: 2 });
  const start = maxPool2d(relu(norm(`${ROOT}.1`, stem)), { kernel: 3, stride: 2, padding: 1 });
  return (config.variant === 'dense' ? denseStages : residualStages)(config, conv, norm, start);
}

const ROOT = 'encoder.encoder';

type Conv = (name: string, from: Tensor, channels: number, options?: ConvLayerOptions) => Tensor;

function residualStages(config: TranSalNetConfig, conv: Conv, norm: BatchNormLayer, start: Tensor): Taps {
  const outputs: Tensor[] = [];
  let hidden = start;
  config.stage_layers.forEach((blocks, stage) => {
    const width = config.base_width * 2 ** stage;
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 && stage > 0 ? 2 : 1;
      hidden = bottleneck(`${ROOT}.${4 + stage}.${i}`, conv, norm, hidden, width, stride, i === 0);
    }
    outputs.push(hidden);
  });
  return outputs.slice(1) as unknown as Taps;
}

function bottleneck(
  name: string,
  conv: Conv,
  norm: BatchNormLayer,
  x: Tensor,
  width: number,
  stride: number,
  first: boolean,
): Tensor {
  let hidden = relu(norm(`${name}.bn1`, conv(`${name}.conv1`, x, width, { kernel: 1 })));
  hidden = relu(norm(`${name}.bn2`, conv(`${name}.conv2`, hidden, width, { stride })));
  hidden = norm(`${name}.bn3`, conv(`${name}.conv3`, hidden, 4 * width, { kernel: 1 }));
  const shortcut = first
    ? norm(`${name}.downsample.1`, conv(`${name}.downsample.0`, x, 4 * width, { kernel: 1, stride }))
    : x;
  return relu(add(hidden, shortcut));
}

function denseStages(config: TranSalNetConfig, conv: Conv, norm: BatchNormLayer, start: Tensor): Taps {
  const outputs: Tensor[] = [];
  let hidden = start;
  config.stage_layers.forEach((layers, stage) => {
    const name = `${ROOT}.${4 + 2 * stage}`;
    for (let i = 1; i <= layers; i++) {
      hidden = concat([hidden, denseLayer(`${name}.denselayer${i}`, config, conv, norm, hidden)], 1);
    }
    outputs.push(hidden);
    if (stage < config.stage_layers.length - 1) {
      const transition = `${ROOT}.${5 + 2 * stage}`;
      const halved = Math.floor(hidden.shape[1] / 2);
      const mixed = conv(`${transition}.conv`, relu(norm(`${transition}.norm`, hidden)), halved, {
        kernel: 1,
      });
      hidden = avgPool2d(mixed, { kernel: 2 });
    }
  });
  return outputs.slice(1) as unknown as Taps;
}

function denseLayer(
  name: string,
  config: TranSalNetConfig,
  conv: Conv,
  norm: BatchNormLayer,
  x: Tensor,
): Tensor {
  const { growth_rate: growth } = config;
  const narrow = conv(`${name}.conv1`, relu(norm(`${name}.norm1`, x)), 4 * growth, { kernel: 1 });
  return conv(`${name}.conv2`, relu(norm(`${name}.norm2`, narrow)), growth);
}
