/** @file The residual stages of TranSalNet_Res. Reference: torchvision, models/resnet.py (ResNet-50 v1.5). */
import { add, relu, type Tensor } from '@sgool/autodiff';
import { type BackboneLayers, ROOT, type Taps } from './backbone-layers.ts';
import type { TranSalNetConfig } from './transalnet-config.ts';

/**
 * The four stages of a ResNet: stage i gives [batch, 4 * base_width * 2^i, H / 2^(i + 2), W / 2^(i + 2)].
 *
 * @param start what the stem gives
 */
export function residualStages(config: TranSalNetConfig, layers: BackboneLayers, start: Tensor): Taps {
  const outputs: Tensor[] = [];
  let hidden = start;
  config.stage_layers.forEach((blocks, stage) => {
    const width = config.base_width * 2 ** stage;
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 && stage > 0 ? 2 : 1;
      hidden = bottleneck(`${ROOT}.${4 + stage}.${i}`, layers, hidden, width, stride, i === 0);
    }
    outputs.push(hidden);
  });
  return outputs.slice(1) as unknown as Taps;
}

/** Convolutions 1x1, 3x3 and 1x1, plus the input (projected in the first block of a stage). */
function bottleneck(
  name: string,
  { conv, norm }: BackboneLayers,
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
