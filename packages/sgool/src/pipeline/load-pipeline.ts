/** @file Loading a model: headers and configurations now, programs when they are first asked for. */
import { files, places } from '#platform';
import { createSchedule } from '../diffusion/schedule.ts';
import { UserError } from '../errors.ts';
import { modelInfo, readHint } from '../models/model-info.ts';
import { decodeLatent, scaleFactorOf } from '../models/stable-diffusion/decoding.ts';
import { createDenoiser } from '../models/stable-diffusion/denoising.ts';
import { encodeImage } from '../models/stable-diffusion/encoding.ts';
import { fewStepSampling } from '../models/stable-diffusion/few-step.ts';
import { promptEncoder, TEXT_ENCODER } from '../models/stable-diffusion/text-encoding.ts';
import { autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
import { layoutFor, networkWeights } from '../networks/network-weights.ts';
import { unetConfig } from '../networks/unet/unet-config.ts';
import { createObjective } from '../objectives/objective.ts';
import { type ClipCritic, clipCritic } from '../preference/clip-critic.ts';
import { type ComputeOptions, chooseCompute } from '../runtime/compute.ts';
import { type Memory, ProgramCache, type ProgramOptions } from '../runtime/program-cache.ts';
import { openDetector } from '../saliency/open-detector.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { weightBytes } from '../weights/formats/weight-source.ts';
import type { Environment } from '../weights/hub/environment.ts';
import { findAdded } from '../weights/open/added.ts';
import { resolveModel } from '../weights/open/locate-model.ts';
import { type ModelFolder, openComponent } from '../weights/open/model-folder.ts';
import { type OpenModelOptions, openModel } from '../weights/open/open-model.ts';
import type { Pipeline } from './pipeline.ts';

export interface LoadOptions extends Omit<OpenModelOptions, 'required'>, ComputeOptions {
  /** Threads of the networks; by default as many as ONNX Runtime takes. */
  readonly threads?: number;
  /** Variables that say where the Hub's cache and the user's own weights are; `process.env` unless given. */
  readonly env?: Environment;
  /**
   * `auto` keeps as many compiled programs as hold 5 GB together, `plenty` all of them: faster by seconds in each iteration
   * where images are large. `low` keeps one large program at a time, and computes the activations of each block again on the
   * way back instead of keeping them, for about a third more time. Default `auto`.
   */
  readonly memory?: Memory;
  /** Makes what compiles and keeps the programs; for rehearsals (see `estimateRun`). */
  readonly programs?: (options: ProgramOptions) => ProgramCache;
}

/**
 * Loads a model: a name, a folder in the diffusers layout, or a model of the Hub that was pulled; with `clip/` (a CLIPModel;
 * guides), and perhaps `clip_b/` (another one; reports) and `transalnet/` (else the one that the user has added). A single
 * .ckpt or .safetensors file of Stable Diffusion 1.x or 2.x will do as well: its tokenizer and CLIP come from the options of
 * these names, or the tokenizer from a folder beside it. Headers and configurations are checked now; programs are compiled on
 * first use.
 *
 * @throws UserError where the model is not found or its folder is broken, or the device does not work here
 */
export async function loadPipeline(
  model?: string,
  { device, precision, threads, env, memory = 'auto', programs: makePrograms, ...options }: LoadOptions = {},
): Promise<Pipeline> {
  const compute = await chooseCompute({ device, precision });
  const location = resolveModel(model, env);
  const folder = await withAddedWeights(await openModel(location.dir, { ...options, env }), env);
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
  const tokenizer = await openTokenizer(folder);

  const layout = layoutFor(weightBytes(unet.weights.tensors));
  const programOptions: ProgramOptions = { ...compute, threads, layout, memory };
  const programs = makePrograms?.(programOptions) ?? new ProgramCache(programOptions);
  const checkpointBlocks = memory === 'low';
  const unetWeights = networkWeights(unet.weights);
  const decoder = { programs, config: vaeSettings, weights: networkWeights(vae.weights), checkpointBlocks };
  const encodePrompt = promptEncoder(encoder, tokenizer, programs);

  const critics = {
    A: await openCritic(folder, 'clip'),
    B: await openCritic(folder, 'clip_b'),
  };

  async function openCritic(from: ModelFolder, name: string): Promise<ClipCritic | undefined> {
    const found = from.components.get(name);
    if (!found) return undefined;
    // Without files of its own a CLIP shares the text encoder's vocabulary.
    const folders = [places.join(found.dir, 'tokenizer'), found.dir];
    const have = await Promise.all(folders.map((dir) => files.exists(places.join(dir, 'vocab.json'))));
    const own = folders.find((_, i) => have[i]);
    return clipCritic(found, own === undefined ? tokenizer : await loadTokenizer(own), programs);
  }

  const info = modelInfo(location.name, folder, {
    latentSize: unetSettings.sample_size ?? 64,
    scaleFactor: scaleFactorOf(vaeSettings),
    unetStride: 2 ** (unetSettings.block_out_channels.length - 1),
    latentChannels: vaeSettings.latent_channels,
    fewStep: fewStepSampling(folder.schedulerConfig, unetSettings),
    embedsGuidance: Boolean(unetSettings.time_cond_proj_dim),
    hint: await readHint(folder.dir),
  });
  const pipeline: Pipeline = {
    model: info,
    compute,
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
    async denoiser({ prompt, negativePrompt = '', guidanceScale, evaluations, ...options }) {
      const conditional = await encodePrompt(prompt);
      const unconditional = await encodePrompt(negativePrompt);
      // The encodings are remembered; few runs have a third text.
      await programs.release(TEXT_ENCODER);
      return createDenoiser({
        programs,
        config: unetSettings,
        weights: unetWeights,
        checkpointBlocks,
        schedule,
        conditional,
        unconditional,
        guidanceScale,
        guidanceStart: options.guidanceStart,
        guidanceStop: options.guidanceStop,
        latentShape: pipeline.latentShape(options),
        evaluations: evaluations ?? { forward: 0, pullback: 0 },
      });
    },
    encode: (image) => encodeImage(decoder, image),
    decode: (latent, size) => decodeLatent(decoder, latent, pipeline.latentShape(size)),
    async critic() {
      if (critics.A) return critics.A;
      throw new UserError(
        `model ${info.name}: it has no CLIP, which this needs; give one with the option clip (a folder, a file, or a pulled model such as openai/clip-vit-base-patch32), put a transformers CLIPModel into its folder clip, or use method sd`,
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

/** The model with the TranSalNet that the user has added, where it brings none of its own. */
async function withAddedWeights(folder: ModelFolder, env?: Environment): Promise<ModelFolder> {
  const dir = folder.components.has('transalnet') ? undefined : findAdded('transalnet', env);
  if (dir === undefined) return folder;
  return { ...folder, components: new Map(folder.components).set('transalnet', await openComponent(dir)) };
}

async function openTokenizer({ dir, tokenizerDir, tokenizerConfig }: ModelFolder) {
  if (!(await files.exists(places.join(tokenizerDir, 'vocab.json')))) {
    throw new UserError(
      `${dir}: it has no tokenizer, expected in ${tokenizerDir}; give one with the option tokenizer: a folder with vocab.json and merges.txt of a CLIP, or a pulled model such as openai/clip-vit-large-patch14`,
    );
  }
  return loadTokenizer(tokenizerDir, tokenizerConfig);
}

function component(folder: ModelFolder, name: string) {
  const found = folder.components.get(name);
  if (!found) throw new UserError(`${folder.dir}: it has no folder ${name}`);
  return found;
}
