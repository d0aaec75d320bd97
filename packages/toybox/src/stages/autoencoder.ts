/** @file Stage 1: the autoencoder between 128 x 128 images and 16 x 16 x 4 latents. Trained on 64 x 64 crops. */

import { abs, add, exp, mean, mul, square, sub } from '@sgool/autodiff';
import { type AutoencoderConfig, autoencoder, autoencoderConfig } from 'sgool/networks';
import { type ReconstructionQuality, reconstructionQuality } from '../evaluate/measures/reconstruction.ts';
import { below, fillNormal } from '../train/batch-generator.ts';
import { constantWeights, DIFFUSERS_FILE, type NamedWeights, writeComponent } from '../train/export.ts';
import {
  type DrawScene,
  IMAGE,
  type PooledScene,
  TRAINING_POOLS,
  testScenes,
  trainingScenes,
} from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { VAE_CONFIG } from './configs.ts';

const BATCH = 16;
const CROP = 64;
const LATENT = CROP / 8;
/** Weight of the KL term: keeps the latents near a unit Gaussian without losing detail. Reference: Rombach et al. 2022. */
const KL_WEIGHT = 1e-6;
const HELD_OUT = 32;

export function autoencoderStage(): Stage {
  const config = autoencoderConfig(VAE_CONFIG);
  let pool: PooledScene[] | undefined;
  return {
    name: 'autoencoder',
    seed: 11,
    inputs: { image: { shape: [BATCH, 3, CROP, CROP] }, noise: { shape: [BATCH, 4, LATENT, LATENT] } },
    optimiser: {
      steps: 2600,
      learningRate: 3e-3,
      weightDecay: 1e-3,
      emaDecay: 0.995,
      maxNorm: 1,
      finalShare: 0.02,
    },
    objective(weights, { image, noise }) {
      const network = autoencoder(config, weights);
      const { mean: centre, logvar } = network.encode(image);
      const latent = add(centre, mul(noise, exp(mul(logvar, 0.5))));
      const error = sub(network.decode(latent), image);
      const mse = mean(square(error));
      const kl = mul(mean(sub(add(square(centre), exp(logvar)), add(logvar, 1))), 0.5);
      const loss = add(add(mse, mul(mean(abs(error)), 0.1)), mul(kl, KL_WEIGHT * 4 * 64));
      return { loss, mse, kl };
    },
    batch(generator) {
      pool ??= trainingScenes(TRAINING_POOLS.autoencoder);
      const image = new Float32Array(BATCH * 3 * CROP * CROP);
      for (let b = 0; b < BATCH; b++)
        writeCrop(pool[below(generator, pool.length)].image, image, b, generator);
      return { image, noise: fillNormal(new Float32Array(BATCH * 4 * LATENT * LATENT), generator) };
    },
    validateEvery: 200,
    validate: (weights) => reconstructionFigures(config, weights),
  };
}

/**
 * PSNR in dB of reconstructed test images, and the mean and standard deviation of their latents.
 *
 * @param draw the world of the images. Default: Toybox's
 */
export function reconstructionFigures(
  config: AutoencoderConfig,
  weights: NamedWeights,
  draw?: DrawScene,
): Promise<ReconstructionQuality> {
  return reconstructionQuality(config, constantWeights(weights), testScenes(HELD_OUT, draw));
}

/** A random crop, mirrored half of the time, as planes in [-1, 1]. */
function writeCrop(image: Uint8Array, into: Float32Array, slot: number, generator: () => number): void {
  const [x0, y0] = [below(generator, IMAGE - CROP + 1), below(generator, IMAGE - CROP + 1)];
  const mirrored = generator() < 0.5;
  const plane = CROP * CROP;
  let at = slot * 3 * plane;
  for (let y = 0; y < CROP; y++) {
    for (let x = 0; x < CROP; x++, at++) {
      const from = 3 * ((y0 + y) * IMAGE + x0 + (mirrored ? CROP - 1 - x : x));
      into[at] = (image[from] * 2) / 255 - 1;
      into[at + plane] = (image[from + 1] * 2) / 255 - 1;
      into[at + 2 * plane] = (image[from + 2] * 2) / 255 - 1;
    }
  }
}

/** Writes `vae/`. Its scaling factor makes the standard deviation of the latents 1, as Stable Diffusion's does. */
export async function exportAutoencoder(result: TrainResult): Promise<void> {
  const deviation = result.history.at(-1)?.held.latentDeviation ?? 1;
  const config = { ...VAE_CONFIG, scaling_factor: Number((1 / deviation).toPrecision(5)) };
  await writeComponent('vae', config, DIFFUSERS_FILE, result.weights);
}
