/** @file The saliency model `transalnet`: a network that was trained on eye fixations. */

import { type Graph, type Program, trace, type Weights } from '@sgool/autodiff';
import { planesFromImage } from '../image/image.ts';
import { letterboxPlanes, undoLetterbox } from '../image/letterbox.ts';
import { transalnet } from '../networks/saliency/transalnet.ts';
import type { TranSalNetConfig } from '../networks/saliency/transalnet-config.ts';
import { maximum } from '../numbers.ts';
import type { Detector } from './detector.ts';

/** Traces the program: `planes` [1, 3, H, W] in [0, 1] to `map` [1, 1, H, W]. */
export function transalnetGraph(config: TranSalNetConfig, weights: Weights): Graph {
  const [height, width] = config.image_size;
  return trace({ planes: { shape: [1, 3, height, width] } }, ({ planes }) => ({
    map: transalnet(config, weights)(planes),
  }));
}

/** A TranSalNet that was opened. */
export interface TranSalNetParts {
  readonly config: TranSalNetConfig;
  readonly weights: Weights;
  /**
   * The order of the colours. The authors' code trains on RGB and tests on BGR; which order their published weights expect is not
   * documented. Default `rgb`.
   */
  readonly channelOrder?: 'rgb' | 'bgr';
}

/** What the TranSalNet saliency model needs. */
export interface TranSalNetDetectorOptions extends Omit<TranSalNetParts, 'weights'> {
  /** `transalnetGraph`, compiled. */
  readonly program: () => Promise<Pick<Program, 'run'>>;
}

/**
 * The saliency model `transalnet`: letterbox, network, and crop of the map, as in the authors' code. Then the map is divided by
 * its maximum, because the scale of the network's output means little and thresholds should not depend on it.
 *
 * Reference: Lou et al. 2022, "TranSalNet: Towards perceptually relevant visual saliency prediction".
 */
export function transalnetDetector({
  config,
  program,
  channelOrder = 'rgb',
}: TranSalNetDetectorOptions): Detector {
  const [canvasHeight, canvasWidth] = config.image_size;
  const canvas = { width: canvasWidth, height: canvasHeight };
  return {
    name: 'transalnet',
    async map(image) {
      const { width, height } = image;
      const planes = letterboxPlanes(planesFromImage(image), image, canvas);
      const input = channelOrder === 'rgb' ? planes : swapped(planes, canvasWidth * canvasHeight);
      const output = (await (await program()).run({ planes: input })).map as Float32Array;
      const map = undoLetterbox(output, image, canvas);
      const most = maximum(map);
      const data = most > 0 ? map.map((value) => Math.max(0, value) / most) : map.fill(0);
      return { width, height, data };
    },
  };
}

function swapped(planes: Float32Array, size: number): Float32Array {
  const out = planes.slice();
  out.set(planes.subarray(2 * size), 0);
  out.set(planes.subarray(0, size), 2 * size);
  return out;
}
