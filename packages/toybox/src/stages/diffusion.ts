/**
 * @file Stage: text encoder and UNet together, on latents that the trained autoencoder made of rendered scenes.
 * Noise prediction with classifier-free guidance (10% of the captions dropped) and min-SNR weights
 * (Hang et al. 2023, gamma 5), which a small model with few steps needs.
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
import {
  DIFFUSERS_FILE,
  type NamedWeights,
  readComponent,
  TRANSFORMERS_FILE,
  writeComponent,
} from '../train/export.ts';
import { below, fillNormal } from '../train/rng.ts';
import { IMAGE, PIXELS, writePlanes } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import {
  renderScene,
  type Scene,
  sceneFromSeed,
  trainingCaption,
  createRng as worldRng,
} from '../world/index.ts';
import { MAX_TOKENS, SCHEDULER_CONFIG, textEncoderConfig, UNET_CONFIG } from './configs.ts';
import { toyboxTokenizer, writeTokenizer } from './tokenizer.ts';

const BATCH = 32;
const LATENT = 4 * 16 * 16;
const POOL = 20_000;
const SEED = 4_000_000;
const DROP = 0.1;
const GAMMA = 5;

/** Scenes and their latents, already scaled to deviation 1. The latents are kept in `folder` for the next start. */
async function encodedPool(folder: string): Promise<{ scenes: Scene[]; latents: Float32Array }> {
  const scenes = Array.from({ length: POOL }, (_, i) => sceneFromSeed(SEED + i, { split: 'train' }));
  const { config: raw, weights } = await openComponent(path.join(WEIGHTS_FOLDER, 'vae'));
  const config = autoencoderConfig(raw);
  const file = path.join(folder, 'diffusion.latents.safetensors');
  const made = `${POOL} scenes from ${SEED}, scaling factor ${config.scaling_factor}`;
  if (existsSync(file)) {
    const kept = await openSafetensors(file);
    if (kept.metadata?.made === made) return { scenes, latents: await readTensor(kept, 'latents') };
  }
  const encode = await compile(
    trace({ image: { shape: [4, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      latent: autoencoder(config, networkWeights(weights)).encode(image).mean,
    })),
  );
  const latents = new Float32Array(POOL * LATENT);
  const image = new Float32Array(4 * 3 * PIXELS);
  for (let i = 0; i < POOL; i += 4) {
    for (let b = 0; b < 4; b++) writePlanes(renderScene(scenes[i + b]!, IMAGE), image, b * 3 * PIXELS);
    const { latent } = await encode.run({ image });
    latents.set(
      (latent as Float32Array).map((v) => v * config.scaling_factor),
      i * LATENT,
    );
  }
  await encode.dispose();
  await writeSafetensors(
    file,
    { latents: { dtype: 'F32', shape: [POOL, 4, 16, 16], data: latents } },
    { made },
  );
  return { scenes, latents };
}

/**
 * The text tower of CLIP A, which starts the text encoder: it already tells kinds, colours and their order apart, as
 * the CLIP did that Stable Diffusion listens to. Unlike there it goes on learning.
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
      // The published weights are on their way there: training/diffusion.json says how far they came.
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
      const { lastHiddenState } = textEncoder(textSettings, scoped(weights, 'text'))(ids!);
      const predicted = unet(
        unetSettings,
        scoped(weights, 'unet'),
      )({
        sample: sample!,
        timestep: timestep!,
        context: lastHiddenState,
      });
      const error = square(sub(predicted, noise!));
      return { loss: mean(mul(error, importance!)), mse: mean(error) };
    },
    async prepare(folder) {
      ({ scenes, latents } = await encodedPool(folder));
    },
    batch(rng) {
      const noise = fillNormal(new Float32Array(BATCH * LATENT), rng);
      const sample = new Float32Array(BATCH * LATENT);
      const timestep = new Float32Array(BATCH);
      const importance = new Float32Array(BATCH);
      const ids = new Int32Array(BATCH * MAX_TOKENS);
      const words = worldRng(below(rng, 0x7fffffff));
      for (let b = 0; b < BATCH; b++) {
        const index = below(rng, POOL);
        const t = below(rng, alphasCumprod.length);
        const alpha = alphasCumprod[t]!;
        const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
        for (let i = 0; i < LATENT; i++) {
          const at = b * LATENT + i;
          sample[at] = signal * latents[index * LATENT + i]! + spread * noise[at]!;
        }
        timestep[b] = t;
        importance[b] = Math.min(1, (GAMMA * (1 - alpha)) / alpha);
        const encoded = rng() < DROP ? nothing : tokenizer.encode(trainingCaption(scenes[index]!, words)).ids;
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
