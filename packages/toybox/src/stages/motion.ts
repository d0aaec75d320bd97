/**
 * @file Stage: toybox-motion, on latents of rendered clips. Motion modules are trained over the frozen UNet, and with them the embeddings of the
 * words of moves: motion modules read no text, so what a caption says of moves reaches them through the cross-attention of the UNet. No
 * other weight changes (docs/decisions/0021-words-of-moves.md).
 *
 * Reference: Guo et al. 2023, "AnimateDiff: Animate Your Personalized Text-to-Image Diffusion Models without Specific Tuning"
 */

import path from 'node:path';
import {
  add,
  compile,
  constant,
  gather,
  mean,
  mul,
  reshape,
  scoped,
  square,
  sub,
  type Tensor,
  trace,
  type Weights,
} from '@sgool/autodiff';
import { createSchedule } from 'sgool/diffusion';
import {
  clipTextConfig,
  motionConfig,
  sinusoidalPositions,
  textEncoder,
  unet,
  unetConfig,
} from 'sgool/networks';
import { MOTION_FOLDER, WEIGHTS_FOLDER } from '../paths.ts';
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
import { TABLE, wordRows } from './words.ts';

/** Clips of a step, of which all frames are seen, and those of which only two are. */
const WHOLE = 2;
const PAIRS = 8;
const POOL = TRAINING_CLIPS;
const HELD_OUT: ScenePool = { firstSeed: HELD_OUT_SEED, count: 48 };
/** Share of the captions that are dropped, for classifier-free guidance, and of those that do not say how things move. */
const DROPPED = 0.1;
const UNSAID = 0.05;
/** Numbers of a clip's latent, [4, frames, 16, 16]. */
const CLIP = FRAMES * LATENT;

const pictures = toyboxTokenizer(pictureVocabulary());
const tokenizer = toyboxTokenizer(clipVocabulary());
const POSITIONS = 'pos_embed.pe';
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
    autoencoder: path.join(WEIGHTS_FOLDER, 'vae'),
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

/** The text encoder with the words of moves behind those of pictures in its table. */
async function clipTextEncoder(): Promise<NamedWeights> {
  const text = await pictureTextEncoder();
  const table = text.get(TABLE);
  if (!table) throw new Error(`text_encoder: has no weight ${TABLE}`);
  const unet = await readComponent('unet', DIFFUSERS_FILE);
  const rows = await wordRows({ text, unet, pictures }, tokenizer);
  const data = new Float32Array(table.data.length + rows.data.length);
  data.set(table.data);
  data.set(rows.data, table.data.length);
  return new Map(text).set(TABLE, { shape: [tokenizer.vocabSize, table.shape[1]], data });
}

/** Weights whose tables of positions, which are no parameters, hold the given frames. @param frames int32 [frames] */
const withPositions = (weights: Weights, frames: Tensor): Weights => ({
  has: (name) => name.endsWith(POSITIONS) || weights.has(name),
  get(name, shape) {
    if (!name.endsWith(POSITIONS)) return weights.get(name, shape);
    const [, length, width] = shape as [number, number, number];
    const table = constant({
      dtype: 'float32',
      shape: [length, width],
      data: sinusoidalPositions(length, width),
    });
    return reshape(gather(table, frames), [1, frames.shape[0], width]);
  },
});

/** What a batch holds of `clips` clips of `frames` frames. */
const inputsOf = (clips: number, frames: number) =>
  ({
    sample: { shape: [clips, 4, frames, 16, 16] },
    noise: { shape: [clips, 4, frames, 16, 16] },
    timestep: { shape: [clips] },
    importance: { shape: [clips, 1, 1, 1, 1] },
    ids: { shape: [clips, MAX_TOKENS], dtype: 'int32' },
    /** Which frames they are. */
    frames: { shape: [frames], dtype: 'int32' },
  }) as const;

/** Names with a prefix. */
const named = <T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));

/** Those with a prefix, without it. */
const under = <T>(prefix: string, values: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), value]] : [],
    ),
  );

/** Signal over noise below which the error counts no more than here: at such steps a clip is noise. */
const FAINT = 0.01;

/**
 * How much more the error counts where there is more noise than signal. There the noise prediction is nearly the noise itself, whatever the clip
 * is, and yet how things move is decided. So the error counts like one of the clean latent: by noise over signal.
 *
 * @param alpha share of the signal's variance, in (0, 1]
 */
const emphasisOf = (alpha: number) => Math.max(1, 1 / Math.max(FAINT, alpha / (1 - alpha)));

/** Shares of the timesteps between which it is decided how things move: from where they have a place to where all is noise. */
const DECISIVE = [0.7, 0.95] as const;

/** The number of a timestep: in proportion to itself, or a decisive one. */
function drawTimestep(generator: BatchGenerator, isDecisive: boolean): number {
  const [low, high] = DECISIVE;
  const share = isDecisive ? low + (high - low) * generator() : Math.sqrt(generator());
  return Math.floor(alphasCumprod.length * share);
}

/**
 * How much more the part of the error counts that differs from frame to frame. What stays the same, the look of the things, is the UNet's; what is
 * new is how they move, and of that the look would hide most.
 *
 * Reference: Zhao et al. 2023, "MotionDirector: Motion Customization of Text-to-Video Diffusion Models", section 4.3, has such a loss.
 */
const CHANGES = 4;

/** The loss of an error of the noise prediction, [clips, 4, frames, h, w]. @param importance [clips, 1, 1, 1, 1] */
export function errorLoss(error: Tensor, importance: Tensor): { loss: Tensor; mse: Tensor } {
  const changing = sub(error, mean(error, { axes: [2], keepDims: true }));
  const both = add(square(error), mul(square(changing), CHANGES));
  return { loss: mean(mul(both, importance)), mse: mean(square(error)) };
}

/** Which clips are asked for, and what of them. */
interface Wanted {
  readonly count: number;
  readonly frames: readonly number[];
  readonly isDecisive: boolean;
  readonly indexOf: (b: number) => number;
  readonly captionOf: (clip: Clip, words: SceneGenerator) => string;
}

/** A batch of noisy clips. */
function noisyBatch({ clips, latents }: Clips, generator: BatchGenerator, wanted: Wanted) {
  const { count, frames, isDecisive, indexOf, captionOf } = wanted;
  const size = frames.length * LATENT;
  const map = LATENT / 4;
  const noise = fillNormal(new Float32Array(count * size), generator);
  const sample = new Float32Array(count * size);
  const timestep = new Float32Array(count);
  const importance = new Float32Array(count);
  const ids = new Int32Array(count * MAX_TOKENS);
  const words = sceneGenerator(below(generator, 0x7fffffff));
  for (let b = 0; b < count; b++) {
    const index = indexOf(b);
    const t = drawTimestep(generator, isDecisive);
    const alpha = alphasCumprod[t];
    for (let channel = 0; channel < 4; channel++) {
      frames.forEach((frame, f) => {
        const at = b * size + (channel * frames.length + f) * map;
        const from = index * CLIP + (channel * FRAMES + frame) * map;
        const clean = latents.subarray(from, from + map);
        mixNoise(sample.subarray(at, at + map), clean, noise.subarray(at, at + map), alpha);
      });
    }
    timestep[b] = t;
    importance[b] = importanceOf(alpha) * emphasisOf(alpha);
    ids.set(tokenizer.encode(captionOf(clips[index], words)).ids, b * MAX_TOKENS);
  }
  return { sample, noise, timestep, importance, ids, frames: Int32Array.from(frames) };
}

const ALL_FRAMES = Array.from({ length: FRAMES }, (_, frame) => frame);

/** Two frames of a clip, in order. */
function drawPair(generator: BatchGenerator): number[] {
  const first = below(generator, FRAMES);
  const second = (first + 1 + below(generator, FRAMES - 1)) % FRAMES;
  return [Math.min(first, second), Math.max(first, second)];
}

export async function motionStage(): Promise<Stage> {
  const textSettings = clipTextConfig(textEncoderConfig(tokenizer));
  const text = constantWeights(await clipTextEncoder());
  const network = constantWeights(await readComponent('unet', DIFFUSERS_FILE));
  const unetSettings = unetConfig(UNET_CONFIG);
  const config = motionConfig(MOTION_CONFIG);
  let pool: Clips = { clips: [], latents: new Float32Array() };
  let heldOut: Clips = pool;

  function clipLoss(
    weights: Weights,
    { sample, noise, timestep, importance, ids, frames }: Record<string, Tensor>,
  ) {
    const motion = { config, weights: withPositions(scoped(weights, 'motion'), frames) };
    const context = textEncoder(textSettings, text)(ids).lastHiddenState;
    const predicted = unet(unetSettings, network, { motion })({ sample, timestep, context });
    return errorLoss(sub(predicted, noise), importance);
  }
  function objective(weights: Weights, inputs: Record<string, Tensor>) {
    const whole = clipLoss(weights, under('whole', inputs));
    const pairs = clipLoss(weights, under('pairs', inputs));
    return { loss: add(whole.loss, pairs.loss), mse: whole.mse, whole: whole.loss };
  }

  return {
    name: 'motion',
    seed: 81,
    inputs: { ...named('whole', inputsOf(WHOLE, FRAMES)), ...named('pairs', inputsOf(PAIRS, 2)) },
    optimiser: {
      // The published weights have fewer: training/motion.json says how many.
      steps: 40_000,
      learningRate: 1.5e-3,
      warmup: 100,
      weightDecay: 0.01,
      beta2: 0.99,
      emaDecay: 0.999,
      maxNorm: 1,
      finalShare: 0.03,
      muon: {
        select: (name, shape) => shape.length === 2 && name.startsWith('motion.'),
        learningRate: 0.012,
      },
    },
    // Motion modules start as the identity.
    initialise: (name) => (name.endsWith('proj_out.weight') ? 0 : undefined),
    objective,
    async prepare(folder) {
      pool = await encoded(POOL, path.join(folder, 'motion.latents.safetensors'));
      heldOut = await encoded(HELD_OUT, path.join(folder, 'motion.held-out.safetensors'));
    },
    batch(generator) {
      const drawn = {
        indexOf: () => below(generator, POOL.count),
        captionOf(clip: Clip, words: SceneGenerator) {
          const caption = describeClip(clip, words);
          const chance = generator();
          if (chance < DROPPED) return '';
          return chance < DROPPED + UNSAID ? describeStill(clip) : caption;
        },
      };
      const whole = { ...drawn, count: WHOLE, frames: ALL_FRAMES, isDecisive: false };
      const pairs = { ...drawn, count: PAIRS, frames: drawPair(generator), isDecisive: true };
      return {
        ...named('whole', noisyBatch(pool, generator, whole)),
        ...named('pairs', noisyBatch(pool, generator, pairs)),
      };
    },
    validateEvery: 250,
    validate: (weights) => heldOutLoss(weights, clipLoss, heldOut),
  };
}

/**
 * The loss on clips that no training saw, with their captions, and what it gains by the words of moves: the share by which it is
 * larger with captions that do not say how things move.
 */
async function heldOutLoss(
  weights: NamedWeights,
  clipLoss: Stage['objective'],
  heldOut: Clips,
): Promise<Metrics> {
  const trained = constantWeights(weights);
  const inputs = inputsOf(PAIRS, FRAMES);
  const program = await compile(trace(inputs, (batch) => ({ loss: clipLoss(trained, batch).loss })));
  const lossWith = async (captionOf: Wanted['captionOf']) => {
    let total = 0;
    for (let i = 0; i < HELD_OUT.count; i += PAIRS) {
      const indexOf = (b: number) => i + b;
      const wanted = { count: PAIRS, frames: ALL_FRAMES, isDecisive: true, indexOf, captionOf };
      const { loss } = await program.run(noisyBatch(heldOut, batchGenerator(i), wanted));
      total += (loss as Float32Array)[0];
    }
    return (total * PAIRS) / HELD_OUT.count;
  };
  const loss = await lossWith(describeClip);
  const unsaid = await lossWith(describeStill);
  await program.dispose();
  return { loss, wordsGain: unsaid / loss - 1 };
}

/** What an earlier training left. */
export const storedMotion = (): Promise<NamedWeights> =>
  readWeights(path.join(MOTION_FOLDER, DIFFUSERS_FILE), 'motion.');

/**
 * Writes `toybox-motion/` with the scheduler that it was trained for, and puts the words of moves behind those of pictures in `text_encoder/` and `tokenizer/` of the model: every prompt
 * without them has the tokens and embeddings that it had.
 */
export async function exportMotion({ weights }: TrainResult): Promise<void> {
  await writeFolder(MOTION_FOLDER, MOTION_CONFIG, DIFFUSERS_FILE, withoutPrefix(weights, 'motion.'));
  // Other adapters are trained with other betas than the models that they are for.
  await writeScheduler(MOTION_FOLDER, SCHEDULER_CONFIG);
  const text = await clipTextEncoder();
  await writeComponent('text_encoder', textEncoderConfig(tokenizer), TRANSFORMERS_FILE, text);
  await writeTokenizer('tokenizer', clipVocabulary());
}
