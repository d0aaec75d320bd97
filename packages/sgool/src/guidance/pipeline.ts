/** @file A loaded model: what methods need of it, and what it compiles when it is first asked. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, trace } from '@sgool/autodiff';
import { createSchedule, type Denoiser, type Schedule } from '../diffusion/index.ts';
import { UserError } from '../errors.ts';
import type { Image } from '../image/index.ts';
import {
  autoencoderConfig,
  clipTextConfig,
  networkWeights,
  textEncoder,
  transalnetConfig,
  unetConfig,
} from '../networks/index.ts';
import {
  centreDetector,
  type Detector,
  gradCamDetector,
  gradCamGraph,
  maskDetector,
  spectralResidual,
  transalnetDetector,
  transalnetGraph,
} from '../saliency/index.ts';
import { type EncodedPrompt, loadTokenizer } from '../text/index.ts';
import {
  type Config,
  type ModelFolder,
  openModelFolder,
  readConfig,
  resolveModel,
} from '../weights/index.ts';
import { type ClipCritic, clipCritic, fittedIds } from './clip-critic.ts';
import { decodeLatent, scaleFactorOf } from './decoding.ts';
import { createDenoiser, type TextContext } from './denoising.ts';
import { createObjective, type Objective, type ObjectiveParts } from './objective.ts';
import { ProgramCache } from './programs.ts';
import type { SaliencyName } from './request.ts';

/** What is known about a model before any of its programs is compiled. */
export interface ModelInfo {
  /** As users write it: `toybox`, or the path of a folder. */
  readonly name: string;
  readonly dir: string;
  /** Picture that the model was trained for, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels per latent, in each direction. */
  readonly scaleFactor: number;
  /** Pixels that both sides of a picture must be a multiple of. */
  readonly sizeMultiple: number;
  readonly latentChannels: number;
  /** Parts beside the diffusion model that are in the folder. */
  readonly has: { readonly clip: boolean; readonly clipB: boolean; readonly transalnet: boolean };
  /** `defaults` of the folder's `sgool.json`: settings by method name, or `*`; checked when settings are resolved. */
  readonly hint: Readonly<Record<string, unknown>>;
}

/** CLIP scores, 100·cos, of a picture and a prompt: A guides, B only reports. Absent where the model lacks that CLIP. */
export interface ClipScores {
  readonly A?: number;
  readonly B?: number;
}

export interface PictureSize {
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

export interface DenoiserOptions extends PictureSize {
  readonly prompt: string;
  readonly negativePrompt?: string;
  /** With 1 the network is asked about the prompt alone. */
  readonly guidanceScale: number;
  /** Counted up by every call. */
  readonly evaluations?: { forward: number; pullback: number };
}

export type ObjectiveOptions = PictureSize & Pick<ObjectiveParts, 'saturatedGradient' | 'views'>;

/** A loaded model. */
export interface Pipeline {
  readonly model: ModelInfo;
  readonly schedule: Schedule;
  /** How the prompt fits the text encoder; what is too long is cut off, the end token kept. */
  checkPrompt(prompt: string): Pick<EncodedPrompt, 'tokens' | 'truncated' | 'lost'>;
  /** `[1, channels, height, width]` of the latent of a picture. */
  latentShape(size: PictureSize): readonly number[];
  /** The noise predictor of a prompt. */
  denoiser(options: DenoiserOptions): Promise<Denoiser>;
  /** The picture of a latent. */
  decode(latent: Float64Array, size: PictureSize): Promise<Image>;
  /** The CLIP that guides (folder `clip`). @throws UserError where the model has none */
  critic(): Promise<ClipCritic>;
  /** The loss of a latent under the guiding CLIP. @throws UserError where the model has none */
  objective(options: ObjectiveOptions): Promise<Objective>;
  score(image: Image, prompt: string): Promise<ClipScores>;
  /**
   * A saliency detector by name.
   *
   * @param options.prompt what Grad-CAM looks for
   * @param options.mask the picture of the `mask` detector
   * @throws UserError where the model lacks the network it needs
   */
  detector(name: SaliencyName, options?: { prompt?: string; mask?: Image }): Promise<Detector>;
  /** Frees all memory that the programs hold. */
  dispose(): Promise<void>;
}

export interface LoadOptions {
  /** Default `cpu`. */
  readonly device?: Device;
  /** Threads of the networks; by default as many as ONNX Runtime takes. */
  readonly threads?: number;
  /** Which weight files to take, for instance `fp16`. Default: the plain ones, else `fp16`. */
  readonly variant?: string;
}

/** From this size of UNet on, weights stay in their mapped file instead of being copied into faster layouts. */
const LEAN_FROM_BYTES = 500e6;

/**
 * Loads a model: a name, or a folder in the diffusers layout with `clip/` (a CLIPModel; guides), and perhaps `clip_b/`
 * (another one; reports) and `transalnet/`. Headers and configurations are checked now; programs are compiled on first use.
 *
 * @throws UserError where the model is not found or its folder is broken
 */
export async function loadPipeline(
  model?: string,
  { device = 'cpu', threads, variant }: LoadOptions = {},
): Promise<Pipeline> {
  const location = resolveModel(model);
  const folder = await openModelFolder(location.dir, { variant });
  const unet = component(folder, 'unet');
  const vae = component(folder, 'vae');
  const encoder = component(folder, 'text_encoder');

  const unetSettings = unetConfig(unet.config, `${unet.dir}/config.json`);
  const vaeSettings = autoencoderConfig(vae.config, `${vae.dir}/config.json`);
  const textSettings = clipTextConfig(encoder.config, `${encoder.dir}/config.json`);
  if (unetSettings.in_channels !== vaeSettings.latent_channels) {
    throw new UserError(
      `${folder.dir}: the UNet takes ${unetSettings.in_channels} channels, the autoencoder gives ${vaeSettings.latent_channels}; they must be the same`,
    );
  }
  const schedule = createSchedule(folder.schedulerConfig);
  const tokenizer = await loadTokenizer(folder.tokenizerDir);

  const size = (await stat(unet.weights.path)).size;
  const programs = new ProgramCache({ device, threads, layout: size >= LEAN_FROM_BYTES ? 'lean' : 'fast' });
  const unetWeights = networkWeights(unet.weights);
  const decoder = { programs, config: vaeSettings, weights: networkWeights(vae.weights) };
  const textWeights = networkWeights(encoder.weights);

  const critics = {
    A: await openCritic(folder, 'clip'),
    B: await openCritic(folder, 'clip_b'),
  };

  async function openCritic(from: ModelFolder, name: string): Promise<ClipCritic | undefined> {
    const found = from.components.get(name);
    if (!found) return undefined;
    const own = await loadTokenizer(join(found.dir, 'tokenizer')).catch(async (error) => {
      // Without files of its own a CLIP shares the text encoder's vocabulary; broken files are an error.
      if (await exists(join(found.dir, 'tokenizer'))) throw error;
      return tokenizer;
    });
    return clipCritic(found, own, programs);
  }

  const info = modelInfo(location.name, folder, {
    latentSize: unetSettings.sample_size ?? 64,
    scaleFactor: scaleFactorOf(vaeSettings),
    unetStride: 2 ** (unetSettings.block_out_channels.length - 1),
    latentChannels: vaeSettings.latent_channels,
    hint: await readHint(folder.dir),
  });
  const contexts = new Map<string, Promise<TextContext>>();

  async function encodePrompt(prompt: string): Promise<TextContext> {
    const { ids } = fittedIds(tokenizer, prompt, textSettings.max_position_embeddings);
    const program = await programs.get(`text encoder ${ids.length}`, () =>
      trace({ ids: { shape: [1, ids.length], dtype: 'int32' } }, (inputs) => ({
        states: textEncoder(textSettings, textWeights)(inputs.ids).lastHiddenState,
      })),
    );
    const { states } = await program.run({ ids });
    return { tokens: ids.length, width: textSettings.hidden_size, data: states as Float32Array };
  }

  function contextOf(prompt: string): Promise<TextContext> {
    let context = contexts.get(prompt);
    if (!context) {
      context = encodePrompt(prompt);
      contexts.set(prompt, context);
      context.catch(() => contexts.delete(prompt));
    }
    return context;
  }

  const pipeline: Pipeline = {
    model: info,
    schedule,
    checkPrompt(prompt) {
      const { tokens, truncated, lost } = tokenizer.encode(prompt);
      return { tokens, truncated, lost };
    },
    latentShape: ({ width, height }) => [
      1,
      info.latentChannels,
      height / info.scaleFactor,
      width / info.scaleFactor,
    ],
    async denoiser({ prompt, negativePrompt = '', guidanceScale, evaluations, ...size }) {
      return createDenoiser({
        programs,
        config: unetSettings,
        weights: unetWeights,
        schedule,
        conditional: await contextOf(prompt),
        unconditional: await contextOf(negativePrompt),
        guidanceScale,
        latentShape: pipeline.latentShape(size),
        evaluations: evaluations ?? { forward: 0, pullback: 0 },
      });
    },
    decode: (latent, size) => decodeLatent(decoder, latent, pipeline.latentShape(size)),
    async critic() {
      if (critics.A) return critics.A;
      throw new UserError(
        `model ${info.name}: it has no folder clip, which this needs; put a transformers CLIPModel there, or use method sd`,
      );
    },
    async objective({ saturatedGradient, views, ...size }) {
      return createObjective({
        ...decoder,
        critic: await pipeline.critic(),
        latentShape: pipeline.latentShape(size),
        saturatedGradient,
        views,
      });
    },
    async score(image, prompt) {
      return {
        A: await critics.A?.score(image, prompt),
        B: await critics.B?.score(image, prompt),
      };
    },
    detector: async (name, { prompt, mask } = {}) => {
      switch (name) {
        case 'centre':
          return centreDetector();
        case 'spectral-residual':
          return spectralResidual();
        case 'mask':
          if (!mask)
            throw new UserError('saliency mask: no mask was given; give a picture, white where to look');
          return maskDetector(mask);
        case 'transalnet':
          return openTranSalNet();
        case 'grad-cam':
        case 'grad-cam++': {
          if (!prompt)
            throw new UserError(`saliency ${name}: no prompt was given; it shows where a prompt is seen`);
          const { config, weights, embedText } = await pipeline.critic();
          const program = () => programs.get(name, () => gradCamGraph(config, weights, name));
          return gradCamDetector({ variant: name, config, program, text: await embedText(prompt) });
        }
      }
    },
    dispose: () => programs.dispose(),
  };

  function openTranSalNet(): Detector {
    const found = folder.components.get('transalnet');
    if (!found) {
      throw new UserError(
        `model ${info.name}: it has no folder transalnet; choose another saliency, such as grad-cam or spectral-residual`,
      );
    }
    const config = transalnetConfig(found.config, `${found.dir}/config.json`);
    return transalnetDetector({
      config,
      program: () => programs.get('transalnet', () => transalnetGraph(config, networkWeights(found.weights))),
      channelOrder: found.config.channel_order === 'bgr' ? 'bgr' : 'rgb',
    });
  }

  return pipeline;
}

/** Looks at a model folder without loading it. */
function modelInfo(
  name: string,
  { dir, components }: ModelFolder,
  facts: {
    latentSize: number | readonly [number, number];
    scaleFactor: number;
    unetStride: number;
    latentChannels: number;
    hint: ModelInfo['hint'];
  },
): ModelInfo {
  const { latentSize, scaleFactor, unetStride, latentChannels, hint } = facts;
  const [rows, columns] = typeof latentSize === 'number' ? [latentSize, latentSize] : latentSize;
  return {
    name,
    dir,
    width: columns * scaleFactor,
    height: rows * scaleFactor,
    scaleFactor,
    sizeMultiple: scaleFactor * unetStride,
    latentChannels,
    has: {
      clip: components.has('clip'),
      clipB: components.has('clip_b'),
      transalnet: components.has('transalnet'),
    },
    hint,
  };
}

async function readHint(dir: string): Promise<ModelInfo['hint']> {
  const path = join(dir, 'sgool.json');
  if (!(await exists(path))) return {};
  const { defaults = {} } = await readConfig(path);
  if (typeof defaults !== 'object' || defaults === null || Array.isArray(defaults)) {
    throw new UserError(
      `${path}: defaults must be an object of settings by method, got ${JSON.stringify(defaults)}`,
    );
  }
  return defaults as Config;
}

function component(folder: ModelFolder, name: string) {
  const found = folder.components.get(name);
  if (!found) throw new UserError(`${folder.dir}: it has no folder ${name}`);
  return found;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
