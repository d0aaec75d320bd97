/**
 * @file Stage: transformer and both text encoders of toybox-flow together, on latents of rendered scenes. Velocity prediction along straight
 * lines from image to noise; 10% of the captions are dropped for classifier-free guidance. Two heads, dropped after training, predict what
 * covers each cell of the clean image from the tokens of a block in the middle.
 *
 * Reference: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", sections 2 and 3.1
 */

import { createHash } from 'node:crypto';
import path from 'node:path';
import {
  add,
  concat,
  linear,
  mean,
  mul,
  scoped,
  sizeOf,
  square,
  sub,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import {
  type ClipTextConfig,
  clipTextConfig,
  type Sd3Inputs,
  sd3Config,
  sd3TransformerStates,
  textEncoder,
  tokenAt,
} from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { FLOW_FOLDER } from '../paths.ts';
import { type BatchGenerator, below, fillNormal, normal } from '../train/batch-generator.ts';
import {
  DIFFUSERS_FILE,
  jsonText,
  type NamedWeights,
  readComponent,
  readWeights,
  TRANSFORMERS_FILE,
  withoutPrefix,
  writeFolder,
  writeScheduler,
} from '../train/export.ts';
import { latentsOf } from '../train/latents.ts';
import { IMAGE, poolScenes, TRAINING_POOLS, writePlanes } from '../train/scenes.ts';
import type { Stage, TrainResult } from '../train/trainer.ts';
import { thingOfCells } from '../world/cells.ts';
import { describeFlow } from '../world/describe-counted.ts';
import { renderScene, renderWithMasks } from '../world/render.ts';
import type { Scene } from '../world/scene.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { COLOUR_CLASSES, cellLoss, KIND_CLASSES, writeCellLabels } from './cell-heads.ts';
import {
  FLOW_SCHEDULER_CONFIG,
  FLOW_TOKENS,
  FLOW_TOWER_NAMES,
  type FlowTower,
  flowTextConfig,
  TRANSFORMER_CONFIG,
} from './configs.ts';
import { flowVocabulary, toyboxTokenizer, writeTokenizerFolder } from './tokenizer.ts';
import { sinePlaces } from './vision-start.ts';

const BATCH = 32;
const POOL = TRAINING_POOLS.flow;
const DROP = 0.1;
/** A token of the transformer is a cell of this grid. */
const GRID = TRANSFORMER_CONFIG.sample_size / TRANSFORMER_CONFIG.patch_size;
const SHAPE = [
  BATCH,
  TRANSFORMER_CONFIG.in_channels,
  TRANSFORMER_CONFIG.sample_size,
  TRANSFORMER_CONFIG.sample_size,
];
const LATENT = TRANSFORMER_CONFIG.in_channels * TRANSFORMER_CONFIG.sample_size ** 2;
/** The block whose tokens the heads read, from 0. */
const READ_BLOCK = 3;
const CELL_WEIGHT = 0.2;
/** Embeddings of zeros that Stable Diffusion 3 reads in the place of T5. */
const EMPTY_TOKENS = 256;

/** The text tower of CLIP A, whose weights the first text encoder starts from. */
async function clipTextTower(): Promise<NamedWeights> {
  const clip = await readComponent('clip', TRANSFORMERS_FILE, 'text_encoder.');
  return new Map([...clip].filter(([name]) => /^text_encoder\.text_(model|projection)\./.test(name)));
}

/** Standard deviation of the embeddings of words that CLIP A does not know, about that of known ones. */
const NEW_WORDS = 0.05;

/** The first rows of a table, and where it has too few, fresh ones behind them. */
function withRows(table: Float32Array, size: number, generator: BatchGenerator): Float32Array {
  const rows = fillNormal(new Float32Array(size), generator).map((value) => NEW_WORDS * value);
  rows.set(table.subarray(0, size));
  return rows;
}

/** What the towers make of token ids [batch, tokens] that end at `ends` [batch], as Stable Diffusion 3 reads it. */
function encodeText(
  weights: Weights,
  configs: ReadonlyMap<FlowTower, ClipTextConfig>,
  ids: Tensor,
  ends: Tensor,
): Pick<Sd3Inputs, 'context' | 'pooled'> {
  const towers = [...configs].map(([name, config]) => {
    const own = scoped(weights, name);
    const { lastHiddenState, hiddenStates } = textEncoder(config, own)(ids);
    const { num_hidden_layers: layers, projection_dim: width } = config;
    return {
      states: hiddenStates[layers - 1],
      pooled: linear(
        tokenAt(lastHiddenState, ends),
        own.get('text_projection.weight', [width, config.hidden_size]),
      ),
    };
  });
  return {
    context: concat(
      towers.map(({ states }) => states),
      2,
    ),
    pooled: concat(
      towers.map(({ pooled }) => pooled),
      1,
    ),
  };
}

export async function flowStage(): Promise<Stage> {
  const tower = await clipTextTower();
  const tokenizer = toyboxTokenizer(flowVocabulary(), FLOW_TOKENS);
  const config = sd3Config(TRANSFORMER_CONFIG);
  const texts = new Map(
    FLOW_TOWER_NAMES.map((name) => [name, clipTextConfig(flowTextConfig(name, tokenizer))]),
  );
  const nothing = tokenizer.encode('');
  let scenes: Scene[] = [];
  let latents: Float32Array = new Float32Array();
  const cells: Int8Array[] = [];
  const cellsOf = (index: number) => {
    cells[index] ??= thingOfCells(renderWithMasks(scenes[index], IMAGE).masks, IMAGE, GRID);
    return cells[index];
  };

  return {
    name: 'flow',
    seed: 61,
    inputs: {
      sample: { shape: SHAPE },
      velocity: { shape: SHAPE },
      timestep: { shape: [BATCH] },
      ids: { shape: [BATCH, FLOW_TOKENS], dtype: 'int32' },
      ends: { shape: [BATCH], dtype: 'int32' },
      kinds: { shape: [BATCH, GRID * GRID, KIND_CLASSES] },
      colours: { shape: [BATCH, GRID * GRID, COLOUR_CLASSES] },
    },
    optimiser: {
      // The published weights have fewer: training/flow.json says how many.
      steps: 60_000,
      learningRate: 1e-3,
      warmup: 200,
      decaySteps: 4000,
      weightDecay: 0.01,
      beta2: 0.99,
      emaDecay: 0.999,
      maxNorm: 1,
      finalShare: 0.05,
      muon: {
        select: (name, shape) => shape.length === 2 && /(transformer_blocks|encoder\.layers)\./.test(name),
        learningRate: 0.015,
      },
    },
    initialise(name, shape, generator) {
      const start = tower.get(name)?.data;
      if (start) return start.length === sizeOf(shape) ? start : withRows(start, sizeOf(shape), generator);
      if (name === 'transformer.pos_embed.pos_embed')
        return sinePlaces(config.width, GRID).subarray(config.width);
      // Blocks start as the identity, and the velocity at 0. Reference: Peebles, Xie 2023 (adaLN-Zero). So do layers of the towers.
      return /(norm1|norm1_context|norm_out)\.linear\.weight$|transformer\.proj_out\.weight$|layers\.2\.(self_attn\.out_proj|mlp\.fc2)\.weight$/.test(
        name,
      )
        ? 0
        : undefined;
    },
    objective(weights, { sample, velocity, timestep, ids, ends, kinds, colours }) {
      const states = sd3TransformerStates(
        config,
        scoped(weights, 'transformer'),
      )({
        sample,
        timestep,
        ...encodeText(weights, texts, ids, ends),
        emptyTokens: EMPTY_TOKENS,
      });
      const mse = mean(square(sub(states.velocity, velocity)));
      const covered = cellLoss(scoped(weights, 'auxiliary'), states.hiddenStates[READ_BLOCK], {
        kinds,
        colours,
      });
      return { loss: add(mse, mul(covered, CELL_WEIGHT)), mse, cells: covered };
    },
    async prepare(folder) {
      scenes = poolScenes(POOL);
      latents = await latentsOf({
        autoencoder: path.join(FLOW_FOLDER, 'vae'),
        file: path.join(folder, 'flow.latents.safetensors'),
        // Latents belong to the scenes as they were drawn: another world makes them anew.
        what: `${POOL.count} scenes, sha256 ${createHash('sha256').update(JSON.stringify(scenes)).digest('hex')}`,
        count: POOL.count,
        paint: (i, planes) => writePlanes(renderScene(scenes[i], IMAGE), planes, 0),
      });
    },
    batch(generator) {
      const sample = fillNormal(new Float32Array(BATCH * LATENT), generator);
      const velocity = new Float32Array(BATCH * LATENT);
      const timestep = new Float32Array(BATCH);
      const ids = new Int32Array(BATCH * FLOW_TOKENS);
      const ends = new Int32Array(BATCH);
      const labels = {
        kinds: new Float32Array(BATCH * GRID * GRID * KIND_CLASSES),
        colours: new Float32Array(BATCH * GRID * GRID * COLOUR_CLASSES),
      };
      const words = sceneGenerator(below(generator, 0x7fffffff));
      for (let b = 0; b < BATCH; b++) {
        const index = below(generator, POOL.count);
        const clean = latents.subarray(index * LATENT, (index + 1) * LATENT);
        const share = noiseShare(generator);
        mixAlongLine(
          clean,
          share,
          sample.subarray(b * LATENT, (b + 1) * LATENT),
          velocity.subarray(b * LATENT, (b + 1) * LATENT),
        );
        timestep[b] = FLOW_SCHEDULER_CONFIG.num_train_timesteps * share;
        const caption = describeFlow(scenes[index], words).text;
        const encoded = generator() < DROP ? nothing : tokenizer.encode(caption);
        ids.set(encoded.ids, b * FLOW_TOKENS);
        ends[b] = encoded.length - 1;
        writeCellLabels(cellsOf(index), scenes[index], labels, b);
      }
      return { sample, velocity, timestep, ids, ends, ...labels };
    },
    validateEvery: 250,
  };
}

/** How much of a sample is noise, in (0, 1): logit-normal, so that the middle of the line is seen most. Reference: section 3.1. */
const noiseShare = (generator: BatchGenerator): number => 1 / (1 + Math.exp(-normal(generator)));

/**
 * A point on the line from an image to noise, and the velocity along it.
 *
 * @param share of noise, in [0, 1]
 * @param sample holds the noise; becomes `(1 - share) clean + share noise`
 * @param velocity becomes `noise - clean`
 */
export function mixAlongLine(
  clean: Float32Array,
  share: number,
  sample: Float32Array,
  velocity: Float32Array,
): void {
  for (let i = 0; i < clean.length; i++) {
    const noise = sample[i];
    sample[i] = (1 - share) * clean[i] + share * noise;
    velocity[i] = noise - clean[i];
  }
}

/** What an earlier training left. */
export async function storedFlow(): Promise<NamedWeights> {
  const parts = await Promise.all([
    readWeights(path.join(FLOW_FOLDER, 'transformer', DIFFUSERS_FILE), 'transformer.'),
    ...FLOW_TOWER_NAMES.map((name) =>
      readWeights(path.join(FLOW_FOLDER, name, TRANSFORMERS_FILE), `${name}.`),
    ),
  ]);
  return new Map(parts.flatMap((part) => [...part]));
}

/** Writes everything but `vae/` of the model folder: transformer, text encoders, their tokenizers, the scheduler and `model_index.json`. */
export async function exportFlow({ weights }: TrainResult): Promise<void> {
  const vocabulary = flowVocabulary();
  const folder = (name: string) => path.join(FLOW_FOLDER, name);
  await writeFolder(
    folder('transformer'),
    TRANSFORMER_CONFIG,
    DIFFUSERS_FILE,
    withoutPrefix(weights, 'transformer.'),
  );
  for (const name of FLOW_TOWER_NAMES) {
    const config = flowTextConfig(name, toyboxTokenizer(vocabulary, FLOW_TOKENS));
    await writeFolder(folder(name), config, TRANSFORMERS_FILE, withoutPrefix(weights, `${name}.`));
    await writeTokenizerFolder(folder(name.replace('text_encoder', 'tokenizer')), vocabulary, FLOW_TOKENS);
  }
  await writeScheduler(FLOW_FOLDER, FLOW_SCHEDULER_CONFIG);
  await writeFileAtomic(
    path.join(FLOW_FOLDER, 'model_index.json'),
    jsonText({
      _class_name: 'StableDiffusion3Pipeline',
      _diffusers_version: '0.30.0',
      scheduler: ['diffusers', 'FlowMatchEulerDiscreteScheduler'],
      text_encoder: ['transformers', 'CLIPTextModelWithProjection'],
      text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
      text_encoder_3: [null, null],
      tokenizer: ['transformers', 'CLIPTokenizer'],
      tokenizer_2: ['transformers', 'CLIPTokenizer'],
      tokenizer_3: [null, null],
      transformer: ['diffusers', 'SD3Transformer2DModel'],
      vae: ['diffusers', 'AutoencoderKL'],
    }),
  );
}
