/** @file The dense stages of TranSalNet_Dense. Reference: torchvision, models/densenet.py (DenseNet-161). */
import { avgPool2d, concat, relu, type Tensor } from '@sgool/autodiff';
import { type BackboneLayers, ROOT, type Taps } from './backbone-layers.ts';
import type { TranSalNetConfig } from './transalnet-config.ts';

/**
 * The four stages of a DenseNet: every layer adds `growth_rate` channels to its input, and a transition halves channels,
 * height and width between stages.
 *
 * @param start what the stem gives
 */
export function denseStages(config: TranSalNetConfig, layers: BackboneLayers, start: Tensor): Taps {
  const { conv, norm } = layers;
  const outputs: Tensor[] = [];
  let hidden = start;
  config.stage_layers.forEach((count, stage) => {
    const name = `${ROOT}.${4 + 2 * stage}`;
    for (let i = 1; i <= count; i++) {
      hidden = concat([hidden, denseLayer(`${name}.denselayer${i}`, layers, hidden, config.growth_rate)], 1);
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

/** Convolutions 1x1 and 3x3, each after norm and ReLU: [batch, growth, h, w]. */
function denseLayer(name: string, { conv, norm }: BackboneLayers, x: Tensor, growth: number): Tensor {
  const narrow = conv(`${name}.conv1`, relu(norm(`${name}.norm1`, x)), 4 * growth, { kernel: 1 });
  return conv(`${name}.conv2`, relu(norm(`${name}.norm2`, narrow)), growth);
}
