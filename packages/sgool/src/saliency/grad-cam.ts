/**
 * @file Grad-CAM and Grad-CAM++ on the CLIP that guides: which parts of the image raise its score for the prompt.
 *
 * The activations are the inputs of the last attention. CLIP's head reads only the class token, so after that layer the
 * gradients of the patches are zero. The score is the logit 100·cos.
 *
 * Reference: Selvaraju et al. 2017 (Grad-CAM); Chattopadhay et al. 2018 (Grad-CAM++), equation 19, in the closed form of the
 * pytorch-grad-cam library.
 */
import {
  add,
  div,
  type Graph,
  grad,
  mean,
  mul,
  type Program,
  relu,
  slice,
  square,
  sum,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { planesFromImage } from '../image/image.ts';
import { bilinearMatrix, resampleMatrix, resamplePlane } from '../image/resample.ts';
import { clip } from '../networks/clip/clip.ts';
import type { ClipConfig } from '../networks/clip/clip-config.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { type Detector, minMaxNormalise } from './detector.ts';

/** Name of the saliency model. */
export type GradCamVariant = 'grad-cam' | 'grad-cam++';

/** Traces the program: `planes` [1, 3, side, side] in [0, 1] and `text` [1, dimension] to the map `cam` [1, patches], not normalised. */
export function gradCamGraph(config: ClipConfig, weights: Weights, variant: GradCamVariant): Graph {
  const side = config.vision_config.image_size;
  const inputs = { planes: { shape: [1, 3, side, side] }, text: { shape: [1, config.projection_dim] } };
  return trace(inputs, ({ planes, text }) => {
    const { embedding, normalisedInputs } = clip(config, weights).image(clipPixels(planes));
    const lastLayerTokens = normalisedInputs[normalisedInputs.length - 1];
    const logit = mul(100, sum(mul(embedding, text)));
    const [gradient] = grad(logit, [lastLayerTokens]);
    const [activation, slope] = [patches(lastLayerTokens), patches(gradient)];
    const weight =
      variant === 'grad-cam' ? mean(slope, { axes: [1], keepDims: true }) : plusPlus(activation, slope);
    return { cam: relu(sum(mul(weight, activation), { axes: [2] })) };
  });
}

/** All tokens but the class token. */
function patches(tokens: Tensor): Tensor {
  return slice(tokens, [{ axis: 1, start: 1, end: tokens.shape[1] }]);
}

/** Channel weights [1, 1, channels] of Grad-CAM++; axis 1 runs over the patches. */
function plusPlus(activation: Tensor, slope: Tensor): Tensor {
  const overPatches = { axes: [1], keepDims: true } as const;
  const second = square(slope);
  const third = mul(second, slope);
  const denominator = add(add(mul(2, second), mul(sum(activation, overPatches), third)), 1e-6);
  const alpha = div(second, denominator);
  return sum(mul(alpha, relu(slope)), overPatches);
}

/** What a Grad-CAM saliency model needs. */
export interface GradCamOptions {
  readonly variant: GradCamVariant;
  readonly config: ClipConfig;
  /** `gradCamGraph`, compiled. */
  readonly program: () => Promise<Pick<Program, 'run'>>;
  /** Embedding of the prompt, a unit vector of `projection_dim` numbers. */
  readonly text: Float32Array;
}

/** The saliency models `grad-cam` and `grad-cam++`. CLIP's input is the whole image, resized to a square. */
export function gradCamDetector({ variant, config, program, text }: GradCamOptions): Detector {
  const { image_size: side, patch_size: patch } = config.vision_config;
  const grid = Math.floor(side / patch);
  return {
    name: variant,
    async map(image) {
      const { width, height } = image;
      const planes = planesFromImage(image);
      const [rows, columns] = [resampleMatrix(height, side), resampleMatrix(width, side)];
      const view = new Float32Array(3 * side * side);
      for (let c = 0; c < 3; c++) {
        const plane = planes.subarray(c * width * height, (c + 1) * width * height);
        view.set(resamplePlane(plane, width, rows, columns), c * side * side);
      }
      const { cam } = await (await program()).run({ planes: view, text });
      const small = minMaxNormalise(cam as Float32Array);
      const map = resamplePlane(small, grid, bilinearMatrix(grid, height), bilinearMatrix(grid, width));
      return { width, height, data: minMaxNormalise(map) };
    },
  };
}
