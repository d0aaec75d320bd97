/**
 * @file Stages: the decoder of an autoencoder alone, on whole images, with a frozen encoder. The latents do not change, so a UNet or a
 * transformer that was trained on them stays valid while the images get sharper. A little noise on the latents makes the decoder robust.
 */

import path from 'node:path';
import { abs, add, compile, mean, mul, square, sub, trace } from '@sgool/autodiff';
import { autoencoder, autoencoderConfig, networkWeights, openComponent } from 'sgool/networks';
import { below, fillNormal } from '../train/batch-generator.ts';
import { DIFFUSERS_FILE, readWeights, writeFolder } from '../train/export.ts';
import {
  IMAGE,
  PIXELS,
  type PooledScene,
  type ScenePool,
  trainingScenes,
  writePlanes,
} from '../train/scenes.ts';
import type { Stage, StageOptimiser, TrainResult } from '../train/trainer.ts';
import { reconstructionFigures } from './autoencoder.ts';
import { edgeLoss } from './flow-autoencoder.ts';

const BATCH = 4;
const SIDE = IMAGE / 8;
/** Standard deviation of the noise on latents whose own is 1. */
const NOISE = 0.04;

export interface DecoderRecipe {
  readonly name: 'decoder' | 'flow_decoder';
  /** Of the autoencoder. */
  readonly folder: string;
  readonly seed: number;
  readonly pool: ScenePool;
  readonly optimiser: Pick<StageOptimiser, 'steps' | 'learningRate' | 'muon'>;
  /** How much the differences of neighbouring pixels count. Default 0. */
  readonly edgeWeight?: number;
}

const belongs = (name: string) => name.startsWith('decoder.') || name.startsWith('post_quant_conv.');

async function storedAutoencoder(folder: string) {
  const { config, weights } = await openComponent(folder);
  const values = await readWeights(path.join(folder, DIFFUSERS_FILE));
  return { config: autoencoderConfig(config), rawConfig: config, file: weights, values };
}

export async function decoderStage({
  name,
  folder,
  seed,
  pool: scenes,
  optimiser,
  edgeWeight = 0,
}: DecoderRecipe): Promise<Stage> {
  const { config, file, values } = await storedAutoencoder(folder);
  const channels = config.latent_channels;
  const size = channels * SIDE * SIDE;
  let pool: PooledScene[] = [];
  let latents: Float32Array = new Float32Array();
  return {
    name,
    seed,
    inputs: { image: { shape: [BATCH, 3, IMAGE, IMAGE] }, latent: { shape: [BATCH, channels, SIDE, SIDE] } },
    optimiser: {
      ...optimiser,
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
      const pixels = add(mse, mul(mean(abs(error)), 0.1));
      return { loss: edgeWeight === 0 ? pixels : add(pixels, mul(edgeLoss(error), edgeWeight)), mse };
    },
    async prepare() {
      ({ pool, latents } = await encode(config, file, scenes));
    },
    batch(generator) {
      const image = new Float32Array(BATCH * 3 * PIXELS);
      const latent = fillNormal(new Float32Array(BATCH * size), generator);
      for (let b = 0; b < BATCH; b++) {
        const index = below(generator, scenes.count);
        writePlanes(pool[index].image, image, b * 3 * PIXELS);
        for (let i = 0; i < size; i++) {
          const at = b * size + i;
          latent[at] = latents[index * size + i] + (latent[at] * NOISE) / config.scaling_factor;
        }
      }
      return { image, latent };
    },
    validateEvery: 500,
    validate: (weights) => reconstructionFigures(config, new Map([...values, ...weights]), scenes.draw),
  };
}

/** The training images and the means that the stored encoder gives for them. */
async function encode(
  config: ReturnType<typeof autoencoderConfig>,
  file: Parameters<typeof networkWeights>[0],
  scenes: ScenePool,
): Promise<{ pool: PooledScene[]; latents: Float32Array }> {
  const program = await compile(
    trace({ image: { shape: [1, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      latent: autoencoder(config, networkWeights(file)).encode(image).mean,
    })),
  );
  const pool = trainingScenes(scenes);
  const size = config.latent_channels * SIDE * SIDE;
  const latents = new Float32Array(scenes.count * size);
  const image = new Float32Array(3 * PIXELS);
  for (const [i, scene] of pool.entries()) {
    writePlanes(scene.image, image, 0);
    const { latent } = await program.run({ image });
    latents.set(latent as Float32Array, i * size);
  }
  await program.dispose();
  return { pool, latents };
}

/** What an earlier training of the autoencoder or its decoder left. */
export const storedDecoder = ({ folder }: DecoderRecipe) => readWeights(path.join(folder, DIFFUSERS_FILE));

/** Writes the new decoder into the autoencoder's folder; encoder and configuration stay. */
export async function exportDecoder({ folder }: DecoderRecipe, result: TrainResult): Promise<void> {
  const { rawConfig, values } = await storedAutoencoder(folder);
  const merged = new Map(values);
  for (const name of values.keys()) {
    if (!belongs(name)) continue;
    const trained = result.weights.get(name);
    if (!trained) throw new Error(`exportDecoder: the training has no weight "${name}"`);
    merged.set(name, trained);
  }
  await writeFolder(folder, rawConfig, DIFFUSERS_FILE, merged);
}
