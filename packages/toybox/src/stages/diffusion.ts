/**
 * @file Stage: text encoder and UNet together, on latents of rendered scenes. Noise prediction for classifier-free guidance (10% of
 * the captions are dropped), with min-SNR weights.
 */

import path from 'node:path';
import { mean, mul, scoped, square, sub } from '@sgool/autodiff';
import { createSchedule } from 'sgool/diffusion';
import { clipTextConfig, textEncoder, unet, unetConfig } from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { below, fillNormal } from '../train/batch-generator.ts';
import {
  DIFFUSERS_FILE,
  jsonText,
  type NamedWeights,
  readComponent,
  TRANSFORMERS_FILE,
  withoutPrefix,
  writeComponent,
  writeScheduler,
} from '../train/export.ts';
import { importanceOf, LATENT, latentsOf, mixNoise } from '../train/latents.ts';
import { IMAGE, poolScenes, TRAINING_POOLS, writePlanes } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { describe } from '../world/describe.ts';
import { renderScene } from '../world/render.ts';
import type { Scene } from '../world/scene.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { MAX_TOKENS, SCHEDULER_CONFIG, textEncoderConfig, UNET_CONFIG } from './configs.ts';
import { pictureTextEncoder } from './motion.ts';
import { toyboxTokenizer, writeTokenizer } from './tokenizer.ts';

const BATCH = 32;
const POOL = TRAINING_POOLS.diffusion;
const DROP = 0.1;

/**
 * The text tower of CLIP A, whose weights the text encoder starts from: it already distinguishes kinds, colours and their order,
 * like the CLIP in Stable Diffusion. Unlike there, it is trained further.
 */
async function clipTextTower(): Promise<NamedWeights> {
  const clip = await readComponent('clip', TRANSFORMERS_FILE, 'text.');
  return new Map([...clip].filter(([name]) => name.startsWith('text.text_model.')));
}

/** What an earlier training left in the model folder. */
export async function storedDiffusion(): Promise<NamedWeights> {
  const unetWeights = await readComponent('unet', DIFFUSERS_FILE, 'unet.');
  return new Map([...unetWeights, ...(await pictureTextEncoder('text.'))]);
}

export async function diffusionStage(): Promise<Stage> {
  const tower = await clipTextTower();
  const tokenizer = toyboxTokenizer();
  const unetSettings = unetConfig(UNET_CONFIG);
  const textSettings = clipTextConfig(textEncoderConfig(tokenizer));
  const { alphasCumprod } = createSchedule(SCHEDULER_CONFIG);
  let scenes: Scene[] = [];
  let latents: Float32Array = new Float32Array();
  const nothing = tokenizer.encode('').ids;
  return {
    name: 'diffusion',
    seed: 41,
    inputs: {
      sample: { shape: [BATCH, 4, 16, 16] },
      noise: { shape: [BATCH, 4, 16, 16] },
      timestep: { shape: [BATCH] },
      importance: { shape: [BATCH, 1, 1, 1] },
      ids: { shape: [BATCH, MAX_TOKENS], dtype: 'int32' },
    },
    optimiser: {
      // The published weights have fewer: training/diffusion.json says how many.
      steps: 24_000,
      learningRate: 1e-3,
      warmup: 300,
      weightDecay: 0.01,
      beta2: 0.99,
      emaDecay: 0.999,
      maxNorm: 1,
      finalShare: 0.05,
    },
    initialise: (name) =>
      tower.get(name)?.data ??
      (/(conv2|proj_out|conv_out|to_out\.0)\.weight$/.test(name) && name.startsWith('unet') ? 0 : undefined),
    objective(weights, { sample, noise, timestep, importance, ids }) {
      const { lastHiddenState } = textEncoder(textSettings, scoped(weights, 'text'))(ids);
      const predicted = unet(
        unetSettings,
        scoped(weights, 'unet'),
      )({
        sample: sample,
        timestep: timestep,
        context: lastHiddenState,
      });
      const error = square(sub(predicted, noise));
      return { loss: mean(mul(error, importance)), mse: mean(error) };
    },
    async prepare(folder) {
      scenes = poolScenes(POOL);
      latents = await latentsOf({
        autoencoder: path.join(WEIGHTS_FOLDER, 'vae'),
        file: path.join(folder, 'diffusion.latents.safetensors'),
        what: `${POOL.count} scenes from ${POOL.firstSeed}`,
        count: POOL.count,
        paint: (i, planes) => writePlanes(renderScene(scenes[i], IMAGE), planes, 0),
      });
    },
    batch(generator) {
      const noise = fillNormal(new Float32Array(BATCH * LATENT), generator);
      const sample = new Float32Array(BATCH * LATENT);
      const timestep = new Float32Array(BATCH);
      const importance = new Float32Array(BATCH);
      const ids = new Int32Array(BATCH * MAX_TOKENS);
      const words = sceneGenerator(below(generator, 0x7fffffff));
      for (let b = 0; b < BATCH; b++) {
        const index = below(generator, POOL.count);
        const t = below(generator, alphasCumprod.length);
        const alpha = alphasCumprod[t];
        const part = (of: Float32Array, at: number) => of.subarray(at * LATENT, (at + 1) * LATENT);
        mixNoise(part(sample, b), part(latents, index), part(noise, b), alpha);
        timestep[b] = t;
        importance[b] = importanceOf(alpha);
        const encoded =
          generator() < DROP ? nothing : tokenizer.encode(describe(scenes[index], words).text).ids;
        ids.set(encoded, b * MAX_TOKENS);
      }
      return { sample, noise, timestep, importance, ids };
    },
    validateEvery: 500,
  };
}

/** Writes `unet/`, `text_encoder/`, `tokenizer/`, `scheduler/` and `model_index.json`. */
export async function exportDiffusion(result: TrainResult): Promise<void> {
  await writeComponent('unet', UNET_CONFIG, DIFFUSERS_FILE, withoutPrefix(result.weights, 'unet.'));
  await writeComponent(
    'text_encoder',
    textEncoderConfig(toyboxTokenizer()),
    TRANSFORMERS_FILE,
    withoutPrefix(result.weights, 'text.'),
  );
  await writeTokenizer('tokenizer');
  await writeScheduler(WEIGHTS_FOLDER, SCHEDULER_CONFIG);
  await writeFileAtomic(
    path.join(WEIGHTS_FOLDER, 'model_index.json'),
    jsonText({
      _class_name: 'StableDiffusionPipeline',
      _diffusers_version: '0.30.0',
      feature_extractor: [null, null],
      requires_safety_checker: false,
      safety_checker: [null, null],
      scheduler: ['diffusers', 'DDIMScheduler'],
      text_encoder: ['transformers', 'CLIPTextModel'],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      unet: ['diffusers', 'UNet2DConditionModel'],
      vae: ['diffusers', 'AutoencoderKL'],
    }),
  );
}
