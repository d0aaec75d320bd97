/**
 * @file Stage: toybox-motion, on latents of rendered clips. Motion modules are trained over the frozen UNet, and with them the embeddings of the
 * words of moves: motion modules read no text, so what a caption says of moves reaches them through the cross-attention of the UNet. No
 * other weight changes (docs/decisions/0021-words-of-moves.md).
 *
 * Reference: Guo et al. 2023, "AnimateDiff: Animate Your Personalized Text-to-Image Diffusion Models without Specific Tuning"
 */

import path from 'node:path';
import {
  compile,
  concat,
  mean,
  mul,
  scoped,
  square,
  sub,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { createSchedule } from 'sgool/diffusion';
import { clipTextConfig, motionConfig, textEncoder, unet, unetConfig } from 'sgool/networks';
import { MOTION_FOLDER } from '../paths.ts';
import { type BatchGenerator, batchGenerator, below, fillNormal } from '../train/batch-generator.ts';
import {
  constantWeights,
  DIFFUSERS_FILE,
  type NamedWeights,
  readComponent,
  readWeights,
  TRANSFORMERS_FILE,
  withoutPrefix,
  writeComponent,
  writeFolder,
  writeScheduler,
} from '../train/export.ts';
import { importanceOf, LATENT, latentsOf, mixNoise } from '../train/latents.ts';
import {
  HELD_OUT_SEED,
  IMAGE,
  poolClips,
  type ScenePool,
  TRAINING_CLIPS,
  writePlanes,
} from '../train/scenes.ts';
import type { Metrics, Stage, TrainResult } from '../train/trainer.ts';
import { describeClip, describeStill } from '../world/describe-moves.ts';
import { type Clip, FRAMES, sceneAt } from '../world/moves.ts';
import { renderScene } from '../world/render.ts';
import { type SceneGenerator, sceneGenerator } from '../world/scene-generator.ts';
import { MAX_TOKENS, MOTION_CONFIG, SCHEDULER_CONFIG, textEncoderConfig, UNET_CONFIG } from './configs.ts';
import { clipVocabulary, pictureVocabulary, toyboxTokenizer, writeTokenizer } from './tokenizer.ts';

/** Clips of a step. */
const BATCH = 4;
const POOL = TRAINING_CLIPS;
const HELD_OUT: ScenePool = { firstSeed: HELD_OUT_SEED, count: 48 };
/** Share of the captions that are dropped, for classifier-free guidance, and of those that do not say how things move. */
const DROPPED = 0.1;
const UNSAID = 0.05;
/** Numbers of a clip's latent, [4, frames, 16, 16]. */
const CLIP = FRAMES * LATENT;

const TABLE = 'text_model.embeddings.token_embedding.weight';
const ROWS = 'words.token_embedding.weight';
/** Standard deviation of the embeddings of the words that are known already. */
const KNOWN = 0.075;

const pictures = toyboxTokenizer(pictureVocabulary());
const tokenizer = toyboxTokenizer(clipVocabulary());
const ADDED = tokenizer.vocabSize - pictures.vocabSize;
const { alphasCumprod } = createSchedule(SCHEDULER_CONFIG);

interface Clips {
  readonly clips: readonly Clip[];
  /** [clips, 4, frames, 16, 16], of standard deviation 1. */
  readonly latents: Float32Array;
}

/** Clips and their latents, which are kept in `file`. */
async function encoded(pool: ScenePool, file: string): Promise<Clips> {
  const clips = poolClips(pool);
  const frames = await latentsOf({
    file,
    what: `${pool.count} clips from ${pool.firstSeed}`,
    count: pool.count * FRAMES,
    paint: (i, planes) => {
      const scene = sceneAt(clips[Math.floor(i / FRAMES)], i % FRAMES);
      writePlanes(renderScene(scene, IMAGE), planes, 0);
    },
  });
  return { clips, latents: framesBehindChannels(frames) };
}

/** [clips, frames, 4, 16, 16] to [clips, 4, frames, 16, 16]. */
function framesBehindChannels(frames: Float32Array): Float32Array {
  const latents = new Float32Array(frames.length);
  const map = LATENT / 4;
  for (let at = 0; at < frames.length; at += map) {
    const index = at / map;
    const [clip, frame, channel] = [
      Math.floor(index / (4 * FRAMES)),
      Math.floor(index / 4) % FRAMES,
      index % 4,
    ];
    latents.set(frames.subarray(at, at + map), clip * CLIP + (channel * FRAMES + frame) * map);
  }
  return latents;
}

/** The trained text encoder without the words of moves that an earlier training of this stage put behind its table. */
export async function pictureTextEncoder(prefix = ''): Promise<NamedWeights> {
  const stored = await readComponent('text_encoder', TRANSFORMERS_FILE, prefix);
  const table = stored.get(prefix + TABLE);
  if (!table) throw new Error(`text_encoder: has no weight ${TABLE}`);
  const shape = [pictures.vocabSize, table.shape[1]];
  return new Map(stored).set(prefix + TABLE, { shape, data: table.data.slice(0, shape[0] * shape[1]) });
}

/** The text encoder's weights with the embeddings of the words of moves behind the frozen table. */
function withWords(frozen: Weights, words: Weights): Weights {
  return {
    has: (name) => frozen.has(name),
    get(name, shape) {
      if (name !== TABLE) return frozen.get(name, shape);
      const [, width] = shape as [number, number];
      return concat([frozen.get(name, [pictures.vocabSize, width]), words.get(ROWS, [ADDED, width])], 0);
    },
  };
}

/** Weights without the tables of positions, which are no parameters: the motion modules then compute them. */
const withoutPositions = (weights: Weights): Weights => ({
  ...weights,
  has: (name) => !name.endsWith('pos_embed.pe') && weights.has(name),
});

const INPUTS = {
  sample: { shape: [BATCH, 4, FRAMES, 16, 16] },
  noise: { shape: [BATCH, 4, FRAMES, 16, 16] },
  timestep: { shape: [BATCH] },
  importance: { shape: [BATCH, 1, 1, 1, 1] },
  ids: { shape: [BATCH, MAX_TOKENS], dtype: 'int32' },
} as const;

/**
 * How much more the error counts where there is more noise than signal. There the noise prediction is nearly the noise itself, whatever the clip
 * is, and yet how things move is decided. So the error counts like one of the clean latent by the square root of signal over noise.
 *
 * @param alpha share of the signal's variance, in (0, 1]
 */
const emphasisOf = (alpha: number) => Math.max(1, Math.sqrt((1 - alpha) / alpha));

/** A batch of noisy clips, the same noise for all clips that the generator is asked for. */
function noisyBatch(
  { clips, latents }: Clips,
  generator: BatchGenerator,
  indexOf: (b: number) => number,
  captionOf: (clip: Clip, words: SceneGenerator) => string,
) {
  const noise = fillNormal(new Float32Array(BATCH * CLIP), generator);
  const sample = new Float32Array(BATCH * CLIP);
  const timestep = new Float32Array(BATCH);
  const importance = new Float32Array(BATCH);
  const ids = new Int32Array(BATCH * MAX_TOKENS);
  const words = sceneGenerator(below(generator, 0x7fffffff));
  const part = (of: Float32Array, at: number) => of.subarray(at * CLIP, (at + 1) * CLIP);
  for (let b = 0; b < BATCH; b++) {
    const index = indexOf(b);
    // In proportion to its number, for the same reason.
    const t = Math.floor(alphasCumprod.length * Math.sqrt(generator()));
    const alpha = alphasCumprod[t];
    mixNoise(part(sample, b), part(latents, index), part(noise, b), alpha);
    timestep[b] = t;
    importance[b] = importanceOf(alpha) * emphasisOf(alpha);
    ids.set(tokenizer.encode(captionOf(clips[index], words)).ids, b * MAX_TOKENS);
  }
  return { sample, noise, timestep, importance, ids };
}

export async function motionStage(): Promise<Stage> {
  const textSettings = clipTextConfig(textEncoderConfig(tokenizer));
  const text = constantWeights(await pictureTextEncoder());
  const network = constantWeights(await readComponent('unet', DIFFUSERS_FILE));
  const unetSettings = unetConfig(UNET_CONFIG);
  const config = motionConfig(MOTION_CONFIG);
  let pool: Clips = { clips: [], latents: new Float32Array() };
  let heldOut: Clips = pool;

  function objective(weights: Weights, { sample, noise, timestep, importance, ids }: Record<string, Tensor>) {
    const motion = { config, weights: withoutPositions(scoped(weights, 'motion')) };
    const context = textEncoder(textSettings, withWords(text, weights))(ids).lastHiddenState;
    const predicted = unet(unetSettings, network, { motion })({ sample, timestep, context });
    const error = square(sub(predicted, noise));
    return { loss: mean(mul(error, importance)), mse: mean(error) };
  }

  return {
    name: 'motion',
    seed: 81,
    inputs: INPUTS,
    optimiser: {
      steps: 7000,
      learningRate: 1e-3,
      warmup: 100,
      weightDecay: 0.01,
      beta2: 0.99,
      emaDecay: 0.998,
      maxNorm: 1,
      finalShare: 0.03,
      muon: { select: (name, shape) => shape.length === 2 && name.startsWith('motion.'), learningRate: 0.01 },
    },
    // Motion modules start as the identity, and words as long as known ones.
    initialise: (name, shape, generator) =>
      name === ROWS
        ? fillNormal(new Float32Array(shape[0] * shape[1]), generator).map((v) => KNOWN * v)
        : name.endsWith('proj_out.weight')
          ? 0
          : undefined,
    objective,
    async prepare(folder) {
      pool = await encoded(POOL, path.join(folder, 'motion.latents.safetensors'));
      heldOut = await encoded(HELD_OUT, path.join(folder, 'motion.held-out.safetensors'));
    },
    batch(generator) {
      return noisyBatch(
        pool,
        generator,
        () => below(generator, POOL.count),
        (clip, words) => {
          const caption = describeClip(clip, words);
          const chance = generator();
          if (chance < DROPPED) return '';
          return chance < DROPPED + UNSAID ? describeStill(clip) : caption;
        },
      );
    },
    validateEvery: 250,
    validate: (weights) => heldOutLoss(weights, objective, heldOut),
  };
}

/**
 * The loss on clips that no training saw, with their captions, and what it gains by the words of moves: the share by which it is
 * larger with captions that do not say how things move.
 */
async function heldOutLoss(
  weights: NamedWeights,
  objective: Stage['objective'],
  heldOut: Clips,
): Promise<Metrics> {
  const trained = constantWeights(weights);
  const program = await compile(trace(INPUTS, (batch) => ({ loss: objective(trained, batch).loss })));
  const lossWith = async (captionOf: (clip: Clip, words: SceneGenerator) => string) => {
    let total = 0;
    for (let i = 0; i < HELD_OUT.count; i += BATCH) {
      const batch = noisyBatch(heldOut, batchGenerator(i), (b) => i + b, captionOf);
      total += ((await program.run(batch)).loss as Float32Array)[0];
    }
    return (total * BATCH) / HELD_OUT.count;
  };
  const loss = await lossWith(describeClip);
  const unsaid = await lossWith(describeStill);
  await program.dispose();
  return { loss, wordsGain: unsaid / loss - 1 };
}

/** What an earlier training left: the adapter, and the rows of the text encoder. */
export async function storedMotion(): Promise<NamedWeights> {
  const stored = await readWeights(path.join(MOTION_FOLDER, DIFFUSERS_FILE), 'motion.');
  const table = (await readComponent('text_encoder', TRANSFORMERS_FILE)).get(TABLE);
  if (!table) throw new Error(`text_encoder: has no weight ${TABLE}`);
  const [, width] = table.shape as [number, number];
  const rows = { shape: [ADDED, width], data: table.data.slice(pictures.vocabSize * width) };
  return new Map(stored).set(ROWS, rows);
}

/**
 * Writes `toybox-motion/` with the scheduler that it was trained for, and puts the words of moves behind those of pictures in `text_encoder/` and `tokenizer/` of the model: every prompt
 * without them has the tokens and embeddings that it had.
 */
export async function exportMotion({ weights }: TrainResult): Promise<void> {
  await writeFolder(MOTION_FOLDER, MOTION_CONFIG, DIFFUSERS_FILE, withoutPrefix(weights, 'motion.'));
  // Other adapters are trained with other betas than the models that they are for.
  await writeScheduler(MOTION_FOLDER, SCHEDULER_CONFIG);
  const text = await pictureTextEncoder();
  const [table, rows] = [text.get(TABLE), weights.get(ROWS)];
  if (!table || !rows) throw new Error(`exportMotion: the training has no weight "${ROWS}"`);
  const data = new Float32Array(table.data.length + rows.data.length);
  data.set(table.data);
  data.set(rows.data, table.data.length);
  const extended = new Map(text).set(TABLE, { shape: [tokenizer.vocabSize, table.shape[1]], data });
  await writeComponent('text_encoder', textEncoderConfig(tokenizer), TRANSFORMERS_FILE, extended);
  await writeTokenizer('tokenizer', clipVocabulary());
}
