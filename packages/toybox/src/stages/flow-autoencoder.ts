/**
 * @file Stage: the autoencoder of toybox-flow, between 128 x 128 images and 16 x 16 x 16 latents. Trained on whole images, so that
 * its norms see what they see later; a term over differences of neighbouring pixels keeps edges sharp.
 */

import path from 'node:path';
import { abs, add, exp, mean, mul, type Shape, slice, square, sub, type Tensor } from '@sgool/autodiff';
import { autoencoder, autoencoderConfig } from 'sgool/networks';
import { FLOW_FOLDER } from '../paths.ts';
import { below, fillNormal } from '../train/batch-generator.ts';
import { DIFFUSERS_FILE, type NamedWeights, readWeights, writeFolder } from '../train/export.ts';
import {
  IMAGE,
  PIXELS,
  type PooledScene,
  TRAINING_POOLS,
  trainingScenes,
  writePlanes,
} from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { reconstructionFigures } from './autoencoder.ts';
import { FLOW_VAE_CONFIG } from './configs.ts';

const BATCH = 4;
const LATENT = IMAGE / 8;
const CHANNELS = FLOW_VAE_CONFIG.latent_channels;
/** Weight of the mean KL divergence of a number of the latent. */
const KL_WEIGHT = 3e-4;
/** How much the differences of neighbouring pixels count. */
export const EDGE_WEIGHT = 0.1;

/** The kernels and matrices that Muon trains; those between pixels, latents and features are AdamW's. */
export const isKernel = (name: string, shape: Shape): boolean =>
  shape.length >= 2 && !/conv_in|conv_out/.test(name);

export function flowAutoencoderStage(): Stage {
  const config = autoencoderConfig(FLOW_VAE_CONFIG);
  let pool: PooledScene[] | undefined;
  return {
    name: 'flow_autoencoder',
    seed: 51,
    inputs: {
      image: { shape: [BATCH, 3, IMAGE, IMAGE] },
      noise: { shape: [BATCH, CHANNELS, LATENT, LATENT] },
    },
    optimiser: {
      steps: 2500,
      learningRate: 2e-3,
      warmup: 100,
      decaySteps: 900,
      weightDecay: 1e-3,
      emaDecay: 0.995,
      maxNorm: 1,
      finalShare: 0.02,
      muon: { select: isKernel, learningRate: 0.03 },
    },
    objective(weights, { image, noise }) {
      const network = autoencoder(config, weights);
      const { mean: centre, logvar } = network.encode(image);
      const latent = add(centre, mul(noise, exp(mul(logvar, 0.5))));
      const error = sub(network.decode(latent), image);
      const mse = mean(square(error));
      const edges = edgeLoss(error);
      const kl = mul(mean(sub(add(square(centre), exp(logvar)), add(logvar, 1))), 0.5);
      const pixels = add(mse, mul(mean(abs(error)), 0.1));
      return { loss: add(add(pixels, mul(edges, EDGE_WEIGHT)), mul(kl, KL_WEIGHT)), mse, edges, kl };
    },
    batch(generator) {
      pool ??= trainingScenes(TRAINING_POOLS.flow_autoencoder);
      const image = new Float32Array(BATCH * 3 * PIXELS);
      for (let b = 0; b < BATCH; b++)
        writePlanes(pool[below(generator, pool.length)].image, image, b * 3 * PIXELS);
      return { image, noise: fillNormal(new Float32Array(BATCH * CHANNELS * LATENT * LATENT), generator) };
    },
    validateEvery: 200,
    validate: (weights) => reconstructionFigures(config, weights),
  };
}

/** Mean size of the difference between the errors of neighbouring pixels, across plus down. */
export function edgeLoss(error: Tensor): Tensor {
  const step = (axis: 2 | 3) => {
    const size = error.shape[axis];
    const from = (start: number) => slice(error, [{ axis, start, end: start + size - 1 }]);
    return mean(abs(sub(from(1), from(0))));
  };
  return add(step(2), step(3));
}

const FOLDER = path.join(FLOW_FOLDER, 'vae');

/** What an earlier training left. */
export const storedFlowAutoencoder = (): Promise<NamedWeights> =>
  readWeights(path.join(FOLDER, DIFFUSERS_FILE));

/** Writes `vae/`. Its shift and scaling factor give the latents mean 0 and standard deviation 1, as Stable Diffusion 3's do. */
export async function exportFlowAutoencoder(result: TrainResult): Promise<void> {
  const { latentMean = 0, latentDeviation = 1 } = result.history.at(-1)?.held ?? {};
  const config = {
    ...FLOW_VAE_CONFIG,
    shift_factor: Number(latentMean.toPrecision(5)),
    scaling_factor: Number((1 / latentDeviation).toPrecision(5)),
  };
  await writeFolder(FOLDER, config, DIFFUSERS_FILE, result.weights);
}
