/**
 * @file Stage: text encoder and UNet together, on latents of rendered scenes. Noise prediction for classifier-free guidance (10% of
 * the captions are dropped), with min-SNR weights, gamma 5, which a small model with few training steps needs.
 *
 * Reference: Hang et al. 2023, "Efficient diffusion training via min-SNR weighting strategy".
 */

import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { compile, mean, mul, scoped, square, sub, trace } from '@sgool/autodiff';
import { createSchedule } from 'sgool/diffusion';
import {
  autoencoder,
  autoencoderConfig,
  clipTextConfig,
  networkWeights,
  openComponent,
  openSafetensors,
  readTensor,
  textEncoder,
  unet,
  unetConfig,
} from 'sgool/networks';
import { writeFileAtomic, writeSafetensors } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { below, fillNormal } from '../train/batch-generator.ts';
import {
  DIFFUSERS_FILE,
  type NamedWeights,
  readComponent,
  TRANSFORMERS_FILE,
  writeComponent,
} from '../train/export.ts';
import { IMAGE, PIXELS, poolScenes, TRAINING_POOLS, writePlanes } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { describe } from '../world/describe.ts';
import { renderScene } from '../world/render.ts';
import type { Scene } from '../world/scene.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { MAX_TOKENS, SCHEDULER_CONFIG, textEncoderConfig, UNET_CONFIG } from './configs.ts';
import { toyboxTokenizer, writeTokenizer } from './tokenizer.ts';

const BATCH = 32;
const LATENT = 4 * 16 * 16;
const POOL = TRAINING_POOLS.diffusion;
const DROP = 0.1;
const GAMMA = 5;

/** Scenes and their latents, scaled to standard deviation 1. The latents are stored in `folder` for the next start. */
async function encodedPool(folder: string): Promise<{ scenes: Scene[]; latents: Float32Array }> {
  const scenes = poolScenes(POOL);
  const { config: raw, weights } = await openComponent(path.join(WEIGHTS_FOLDER, 'vae'));
  const config = autoencoderConfig(raw);
  const file = path.join(folder, 'diffusion.latents.safetensors');
  const made = `${POOL.count} scenes from ${POOL.firstSeed}, scaling factor ${config.scaling_factor}`;
  if (existsSync(file)) {
    const kept = await openSafetensors(file);
    if (kept.metadata?.made === made) return { scenes, latents: await readTensor(kept, 'latents') };
  }
  const encode = await compile(
    trace({ image: { shape: [4, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      latent: autoencoder(config, networkWeights(weights)).encode(image).mean,
    })),
  );
  const latents = new Float32Array(POOL.count * LATENT);
  const image = new Float32Array(4 * 3 * PIXELS);
  for (let i = 0; i < POOL.count; i += 4) {
    for (let b = 0; b < 4; b++) writePlanes(renderScene(scenes[i + b], IMAGE), image, b * 3 * PIXELS);
    const { latent } = await encode.run({ image });
    latents.set(
      (latent as Float32Array).map((v) => v * config.scaling_factor),
      i * LATENT,
    );
  }
  await encode.dispose();
  await writeSafetensors(
    file,
    { latents: { dtype: 'F32', shape: [POOL.count, 4, 16, 16], data: latents } },
    { made },
  );
  return { scenes, latents };
}

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
  return new Map([...unetWeights, ...(await readComponent('text_encoder', TRANSFORMERS_FILE, 'text.'))]);
}

export async function diffusionStage(): Promise<Stage> {
  const tower = await clipTextTower();
  const tokenizer = toyboxTokenizer();
  const unetSettings = unetConfig(UNET_CONFIG);
  const textSettings = clipTextConfig(textEncoderConfig(tokenizer.vocabSize));
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
      ({ scenes, latents } = await encodedPool(folder));
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
        const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
        for (let i = 0; i < LATENT; i++) {
          const at = b * LATENT + i;
          sample[at] = signal * latents[index * LATENT + i] + spread * noise[at];
        }
        timestep[b] = t;
        importance[b] = Math.min(1, (GAMMA * (1 - alpha)) / alpha);
        const encoded =
          generator() < DROP ? nothing : tokenizer.encode(describe(scenes[index], words).text).ids;
        ids.set(encoded, b * MAX_TOKENS);
      }
      return { sample, noise, timestep, importance, ids };
    },
    validateEvery: 500,
  };
}

/** Weights below a prefix, without it. */
function withoutPrefix(weights: NamedWeights, prefix: string): NamedWeights {
  return new Map(
    [...weights].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    ),
  );
}

/** Writes `unet/`, `text_encoder/`, `tokenizer/`, `scheduler/` and `model_index.json`. */
export async function exportDiffusion(result: TrainResult): Promise<void> {
  await writeComponent('unet', UNET_CONFIG, DIFFUSERS_FILE, withoutPrefix(result.weights, 'unet.'));
  const { vocabSize } = toyboxTokenizer();
  await writeComponent(
    'text_encoder',
    textEncoderConfig(vocabSize),
    TRANSFORMERS_FILE,
    withoutPrefix(result.weights, 'text.'),
  );
  await writeTokenizer('tokenizer');
  const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;
  await mkdir(path.join(WEIGHTS_FOLDER, 'scheduler'), { recursive: true });
  await writeFileAtomic(
    path.join(WEIGHTS_FOLDER, 'scheduler', 'scheduler_config.json'),
    json(SCHEDULER_CONFIG),
  );
  await writeFileAtomic(
    path.join(WEIGHTS_FOLDER, 'model_index.json'),
    json({
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
