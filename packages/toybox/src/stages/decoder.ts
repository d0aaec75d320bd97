/**
 * @file Stage 1b: the decoder alone, on whole images, with a frozen encoder. The latents do not change, so a UNet that was trained
 * on them stays valid while the images get sharper. A little noise on the latents makes the decoder robust.
 */

import path from 'node:path';
import { abs, add, compile, mean, mul, square, sub, trace } from '@sgool/autodiff';
import { autoencoder, autoencoderConfig, networkWeights, openComponent } from 'sgool/networks';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { below, fillNormal } from '../train/batch-generator.ts';
import { DIFFUSERS_FILE, readComponent, writeComponent } from '../train/export.ts';
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

const BATCH = 4;
const LATENT = 4 * 16 * 16;
const POOL = TRAINING_POOLS.decoder;
/** Standard deviation of the noise on latents whose own is 1. */
const NOISE = 0.04;

const belongs = (name: string) => name.startsWith('decoder.') || name.startsWith('post_quant_conv.');

async function storedAutoencoder() {
  const { config, weights } = await openComponent(path.join(WEIGHTS_FOLDER, 'vae'));
  const values = await readComponent('vae', DIFFUSERS_FILE);
  return { config: autoencoderConfig(config), rawConfig: config, file: weights, values };
}

export async function decoderStage(): Promise<Stage> {
  const { config, file, values } = await storedAutoencoder();
  let pool: PooledScene[] = [];
  let latents: Float32Array = new Float32Array();
  return {
    name: 'decoder',
    seed: 12,
    inputs: { image: { shape: [BATCH, 3, IMAGE, IMAGE] }, latent: { shape: [BATCH, 4, 16, 16] } },
    optimiser: {
      steps: 1600,
      learningRate: 1e-3,
      warmup: 100,
      weightDecay: 1e-3,
      emaDecay: 0.995,
      maxNorm: 1,
      finalShare: 0.02,
    },
    initialise: (name) => values.get(name)?.data,
    objective(weights, { image, latent }) {
      const error = sub(autoencoder(config, weights).decode(latent), image);
      const mse = mean(square(error));
      return { loss: add(mse, mul(mean(abs(error)), 0.1)), mse };
    },
    async prepare() {
      ({ pool, latents } = await encode(config, file));
    },
    batch(generator) {
      const image = new Float32Array(BATCH * 3 * PIXELS);
      const latent = fillNormal(new Float32Array(BATCH * LATENT), generator);
      for (let b = 0; b < BATCH; b++) {
        const index = below(generator, POOL.count);
        writePlanes(pool[index].image, image, b * 3 * PIXELS);
        for (let i = 0; i < LATENT; i++) {
          const at = b * LATENT + i;
          latent[at] = latents[index * LATENT + i] + (latent[at] * NOISE) / config.scaling_factor;
        }
      }
      return { image, latent };
    },
    validateEvery: 500,
    validate: (weights) => reconstructionFigures(config, new Map([...values, ...weights])),
  };
}

/** The training images and the means that the stored encoder gives for them. */
async function encode(
  config: ReturnType<typeof autoencoderConfig>,
  file: Parameters<typeof networkWeights>[0],
): Promise<{ pool: PooledScene[]; latents: Float32Array }> {
  const program = await compile(
    trace({ image: { shape: [1, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      latent: autoencoder(config, networkWeights(file)).encode(image).mean,
    })),
  );
  const pool = trainingScenes(POOL);
  const latents = new Float32Array(POOL.count * LATENT);
  const image = new Float32Array(3 * PIXELS);
  for (const [i, scene] of pool.entries()) {
    writePlanes(scene.image, image, 0);
    const { latent } = await program.run({ image });
    latents.set(latent as Float32Array, i * LATENT);
  }
  await program.dispose();
  return { pool, latents };
}

/** Writes the new decoder into `vae/`; encoder and configuration stay. */
export async function exportDecoder(result: TrainResult): Promise<void> {
  const { rawConfig, values } = await storedAutoencoder();
  const merged = new Map(values);
  for (const name of values.keys()) {
    if (!belongs(name)) continue;
    const trained = result.weights.get(name);
    if (!trained) throw new Error(`exportDecoder: the training has no weight "${name}"`);
    merged.set(name, trained);
  }
  await writeComponent('vae', rawConfig, DIFFUSERS_FILE, merged);
}
