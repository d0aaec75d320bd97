/** @file For tests: a complete model folder with tiny random networks in the public layout. Not exported from the package. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { input, type Shape, type TensorMap, type TensorSpec, trace, type Weights } from '@sgool/autodiff';
import type { ClipSize } from '../image/image.ts';
import { addFrameLatent, frameLatent, framesOf } from '../models/frames.ts';
import { autoencoder } from '../networks/autoencoder/autoencoder.ts';
import { autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
import { clip } from '../networks/clip/clip.ts';
import { clipConfig } from '../networks/clip/clip-config.ts';
import { transalnet } from '../networks/saliency/transalnet.ts';
import { transalnetConfig } from '../networks/saliency/transalnet-config.ts';
import { textEncoder } from '../networks/text/text-encoder.ts';
import { clipTextConfig } from '../networks/text/text-encoder-config.ts';
import { unet } from '../networks/unet/unet.ts';
import { unetConfig } from '../networks/unet/unet-config.ts';
import { mean, product } from '../numbers.ts';
import { Generator } from '../random/generator.ts';
import { buildWordVocabulary, tokenizerFiles } from '../text/word-vocabulary.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { storeAdded } from '../weights/open/store-added.ts';
import type { Pipeline } from './pipeline.ts';

const WORDS = 'a red blue cat boat and left of the'.split(' ');
const TOKENS = 12;

const vocabulary = buildWordVocabulary(WORDS);
const vocabSize = Object.keys(vocabulary.vocab).length;

const UNET = {
  in_channels: 4,
  out_channels: 4,
  sample_size: 8,
  block_out_channels: [8, 16],
  down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
  layers_per_block: 1,
  attention_head_dim: 2,
  cross_attention_dim: 16,
  norm_num_groups: 4,
};
const VAE = {
  block_out_channels: [8, 8, 8],
  layers_per_block: 1,
  latent_channels: 4,
  norm_num_groups: 4,
  scaling_factor: 0.5,
};
const TEXT = {
  vocab_size: vocabSize,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: TOKENS,
};
const TRANSALNET = {
  image_size: [32, 64],
  base_width: 4,
  stage_layers: [1, 1, 1, 1],
  hidden_sizes: [8, 8, 8],
  heads: [2, 2, 2],
  transformer_layers: 1,
  decoder_widths: [8, 8, 4, 4],
};
const clipSettings = (width: number) => ({
  text_config: TEXT,
  vision_config: {
    hidden_size: width,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    image_size: 16,
    patch_size: 4,
  },
  projection_dim: 8,
});

export interface TinyModelOptions {
  /** Keys over those of `scheduler_config.json`. */
  readonly scheduler?: Record<string, unknown>;
  /** Content of `sgool.json`. */
  readonly hint?: unknown;
  /** Folders to leave out: `clip`, `clip_b`, `clip_c`, `transalnet`. */
  readonly without?: readonly string[];
}

/** Writes the model into a new folder and gives its path, and a way to remove it. */
export async function writeTinyModel({ scheduler = {}, hint, without = [] }: TinyModelOptions = {}) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sgool-tiny-'));
  const json = (name: string, value: unknown) => writeFile(path.join(dir, name), JSON.stringify(value));
  await json('model_index.json', { _class_name: 'StableDiffusionPipeline' });
  if (hint !== undefined) await json('sgool.json', hint);
  for (const name of ['tokenizer', 'scheduler']) await mkdir(path.join(dir, name));
  for (const [name, content] of Object.entries(tokenizerFiles(vocabulary, TOKENS))) {
    await writeFile(path.join(dir, 'tokenizer', name), content);
  }
  await json('scheduler/scheduler_config.json', {
    _class_name: 'DDIMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    set_alpha_to_one: false,
    steps_offset: 1,
    ...scheduler,
  });

  async function network(
    name: string,
    config: Record<string, unknown>,
    seed: number,
    inputs: Record<string, TensorSpec>,
    build: Parameters<typeof randomWeights>[2],
  ) {
    if (without.includes(name)) return;
    await mkdir(path.join(dir, name));
    await json(`${name}/config.json`, config);
    const file = ['unet', 'vae'].includes(name) ? 'diffusion_pytorch_model' : 'model';
    await writeSafetensors(path.join(dir, name, `${file}.safetensors`), randomWeights(seed, inputs, build));
  }

  const ids: TensorSpec = { shape: [1, TOKENS], dtype: 'int32' };
  await network(
    'unet',
    UNET,
    1,
    { sample: { shape: [1, 4, 8, 8] }, timestep: { shape: [1] }, context: { shape: [1, TOKENS, 16] } },
    (weights, { sample, timestep, context }) => ({
      out: unet(unetConfig(UNET), weights)({ sample, timestep, context }),
    }),
  );
  await network(
    'vae',
    VAE,
    2,
    { latent: { shape: [1, 4, 8, 8] }, image: { shape: [1, 3, 32, 32] } },
    (weights, { latent, image }) => {
      const vae = autoencoder(autoencoderConfig(VAE), weights);
      return { out: vae.decode(latent), mean: vae.encode(image).mean };
    },
  );
  await network('text_encoder', TEXT, 3, { ids }, (weights, inputs) => ({
    out: textEncoder(clipTextConfig(TEXT), weights)(inputs.ids).lastHiddenState,
  }));
  for (const [name, width, seed] of [
    ['clip', 16, 4],
    ['clip_b', 8, 5],
    ['clip_c', 16, 7],
  ] as const) {
    const config = clipSettings(width);
    const pixels = { shape: [1, 3, 16, 16] };
    const end: TensorSpec = { shape: [1], dtype: 'int32' };
    await network(name, config, seed, { pixels, ids, end }, (weights, inputs) => {
      const both = clip(clipConfig(config), weights);
      return {
        image: both.image(inputs.pixels).embedding,
        text: both.text(inputs.ids, inputs.end).embedding,
      };
    });
  }
  await network('transalnet', TRANSALNET, 6, { image: { shape: [1, 3, 32, 64] } }, (weights, { image }) => ({
    out: transalnet(transalnetConfig(TRANSALNET), weights)(image),
  }));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/**
 * A pipeline that makes clips, by a network that makes pictures: each frame is predicted from itself, and a third of that is exchanged with the mean
 * of all predictions.
 */
export function withMotion(pipeline: Pipeline): Pipeline {
  const share = 1 / 3;
  const mixed = (all: readonly Float64Array[]) => {
    const middle = all[0].map((_, i) => mean(all.map((one) => one[i])));
    return all.map((one) => one.map((value, i) => (1 - share) * value + share * middle[i]));
  };
  const shapeOf = (size: ClipSize) => {
    const [one, channels, ...sides] = pipeline.latentShape({ width: size.width, height: size.height });
    return (size.frames ?? 1) > 1 ? [one, channels, size.frames ?? 1, ...sides] : [one, channels, ...sides];
  };
  return {
    ...pipeline,
    model: { ...pipeline.model, motion: { frames: 4, mostFrames: 8, fps: 8 } },
    latentShape: shapeOf,
    async denoiser(options) {
      const picture = await pipeline.denoiser({ ...options, frames: 1 });
      const shape = shapeOf(options);
      const count = framesOf(shape);
      if (count === 1) return picture;
      const parted = (latent: Float64Array) =>
        Array.from({ length: count }, (_, frame) => frameLatent(latent, shape, frame));
      const joined = (parts: readonly Float64Array[], length: number) => {
        const all = new Float64Array(length);
        for (const [frame, part] of parts.entries()) addFrameLatent(all, shape, frame, part);
        return all;
      };
      return {
        ...picture,
        latentShape: shape,
        async predict(latent, timestep) {
          const all: Float64Array[] = [];
          for (const part of parted(latent)) all.push(await picture.predict(part, timestep));
          return joined(mixed(all), latent.length);
        },
        async pullback(latent, timestep, cotangent) {
          const all: Float64Array[] = [];
          const cotangents = mixed(parted(cotangent));
          for (const [frame, part] of parted(latent).entries())
            all.push(await picture.pullback(part, timestep, cotangents[frame]));
          return joined(all, latent.length);
        },
      };
    },
  };
}

/** Random numbers for every weight that a network gets while it is traced. */
function randomWeights(
  seed: number,
  inputs: Record<string, TensorSpec>,
  build: (weights: Weights, inputs: TensorMap) => TensorMap,
) {
  const shapes = new Map<string, Shape>();
  // Names that only old checkpoints have are missing; any other exists as soon as a network gets it.
  const known = new Map<string, ReturnType<typeof input>>();
  const weights: Weights = {
    has: (name) => name.startsWith('text_model.'),
    get(name, shape) {
      shapes.set(name, shape);
      let tensor = known.get(name);
      if (!tensor) known.set(name, (tensor = input(`weight ${name}`, shape)));
      return tensor;
    },
  };
  trace(inputs, (symbols) => build(weights, symbols));
  const random = new Generator(seed);
  return Object.fromEntries(
    [...shapes].map(([name, shape]) => {
      const values = random.randn(shape);
      const fanIn = product(shape.slice(1));
      const isGain = shape.length === 1 && /(weight|running_var)$/.test(name);
      const scale = isGain || shape.length < 2 ? 0.1 : 1.5 / Math.sqrt(fanIn);
      const data = values.map((value) => (isGain ? 1 : 0) + scale * value);
      return [name, { dtype: 'F32' as const, shape, data }];
    }),
  );
}

/** Tiny flows of fixtures/make/flow_pipelines.py by name: folders laid over each other, and parts that are left out. */
const FLOWS = {
  sd3: { folders: ['sd3'], without: [] },
  'sd3-without-t5': { folders: ['sd3'], without: ['text_encoder_3', 'tokenizer_3'] },
  'flux-schnell': { folders: ['flux-schnell'], without: [] },
  'flux-dev': { folders: ['flux-schnell', 'flux-dev'], without: [] },
} as const satisfies Record<string, { folders: readonly string[]; without: readonly string[] }>;

export type TinyFlow = keyof typeof FLOWS;

/**
 * Copies a tiny flow into a new folder, with a CLIP, and gives its path, and a way to remove it. Images of all are meant to have 32 x 32
 * pixels; files of Flux do not say so.
 */
export async function writeTinyFlow(name: TinyFlow) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sgool-flow-'));
  const { folders, without } = FLOWS[name];
  for (const folder of folders) await cp(`${DATA}flow/${folder}`, dir, { recursive: true });
  for (const part of without) await rm(path.join(dir, part), { recursive: true });
  await cp(`${DATA}pipeline/clip`, path.join(dir, 'clip'), { recursive: true });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

const DATA = fileURLToPath(new URL('../../../../fixtures/data/', import.meta.url));

/** Tiny preference models as scorers of an objective, whose vocabularies are found beside their weights. */
export async function writePreferenceModels(dir: string) {
  const folder = path.join(dir, 'preference');
  const at = (name: string) => path.join(folder, name);
  await cp(`${DATA}preference/pickscore`, at('pickscore'), { recursive: true });
  await cp(`${DATA}preference/image-reward`, at('image-reward'), { recursive: true });
  for (const name of ['pickscore', 'hps-v2'])
    await cp(`${DATA}pipeline/tokenizer`, at(name), { recursive: true });
  // As it is after `models add`, with the numbers of heads, which the shapes of a tiny network do not determine.
  const { tensors } = await openTensorFile(`${DATA}preference/HPS_v2_compressed.pt`);
  const config = JSON.parse(await readFile(`${DATA}preference/hps-v2.json`, 'utf8'));
  await storeAdded('hps-v2', { ...config, names: 'openai' }, tensors, { SGOOL_DATA_DIR: dir });
  await cp(path.join(dir, 'weights/hps-v2'), at('hps-v2'), { recursive: true });
  return {
    'hps-v2': `hps-v2=${at('hps-v2')}`,
    pickscore: `pickscore=${at('pickscore')}`,
    'image-reward': `image-reward=${at('image-reward')}`,
  };
}

/** An ONNX scorer with its description; its path. */
export async function writeOnnxScorer(dir: string, description: Readonly<Record<string, unknown>> = {}) {
  const folder = await mkdtemp(path.join(dir, 'onnx-'));
  const file = path.join(folder, 'mine.onnx');
  await cp(`${DATA}ops-scorer-photometric-script.onnx`, file);
  const image = { input: 'image', size: 16, resize: 'squash' };
  const common = { scale: 'made up', higherIsBetter: true, averaged: false };
  await writeFile(path.join(folder, 'mine.json'), JSON.stringify({ image, ...common, ...description }));
  return file;
}
