/** @file Loading a model: headers and configurations now, programs when they are first asked for. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from '@sgool/autodiff';
import { createSchedule } from '../diffusion/index.ts';
import { UserError } from '../errors.ts';
import { autoencoderConfig, networkWeights, unetConfig } from '../networks/index.ts';
import { loadTokenizer } from '../text/index.ts';
import { type ModelFolder, openModelFolder, resolveModel } from '../weights/index.ts';
import { type ClipCritic, clipCritic } from './clip-critic.ts';
import { decodeLatent, scaleFactorOf } from './decoding.ts';
import { createDenoiser } from './denoising.ts';
import { openDetector } from './detectors.ts';
import { exists, modelInfo, readHint } from './model-info.ts';
import { createObjective } from './objective.ts';
import type { Pipeline } from './pipeline.ts';
import { ProgramCache } from './programs.ts';
import { promptEncoder } from './text-encoding.ts';

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
  const encodePrompt = promptEncoder(encoder, tokenizer, programs);

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
        conditional: await encodePrompt(prompt),
        unconditional: await encodePrompt(negativePrompt),
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
    detector: (name, options) =>
      openDetector(name, { ...options, folder, programs, critic: pipeline.critic }),
    dispose: () => programs.dispose(),
  };

  return pipeline;
}

function component(folder: ModelFolder, name: string) {
  const found = folder.components.get(name);
  if (!found) throw new UserError(`${folder.dir}: it has no folder ${name}`);
  return found;
}
