/** @file Stable Diffusion 1.x and 2.x and what was distilled from them: CLIP's text encoder, a UNet, a KL autoencoder. */
import { UserError } from '../../errors.ts';
import type { ClipSize } from '../../image/image.ts';
import { type AutoencoderConfig, autoencoderConfig } from '../../networks/autoencoder/autoencoder-config.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import { type ClipTextConfig, clipTextConfig } from '../../networks/text/text-encoder-config.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import type { EmbeddingWord } from '../../text/embedding-tokens.ts';
import { hasTokenizer, loadTokenizer } from '../../text/load-tokenizer.ts';
import { DEFAULT_SYNTAX, parsePrompt } from '../../text/prompt/prompt.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { Backbone, BackboneParts, DenoiserOptions, ModelFamily } from '../backbone.ts';
import { componentOf, tokenizerOf } from '../components.ts';
import { decodedPlanes, decodeLatent, scaleFactorOf } from '../decoding.ts';
import { encodeImage } from '../encoding.ts';
import { framesOf } from '../frames.ts';
import { latentSize, notesOrFault } from '../latent-size.ts';
import { denoiserBySteps, promptForSteps } from '../prompt-steps.ts';
import { createCrossAttention } from './cross-attention.ts';
import { createDenoiser } from './denoising.ts';
import { fewStepSampling } from './few-step.ts';
import { framesIn, openMotion, unetParts } from './motion.ts';
import { createPairedDenoiser } from './paired-denoiser.ts';
import { promptFit } from './prompt-fit.ts';
import { clipSchedule, stableDiffusionSchedule } from './schedule.ts';
import { surroundingsOf } from './surroundings.ts';
import { promptEncoder, TEXT_ENCODER } from './text-encoding.ts';
import { trainableUNet } from './trainable-unet.ts';

/** Side of the latent that a UNet was trained on if its configuration does not say. */
const DEFAULT_SAMPLE_SIZE = 64;

export const stableDiffusion: ModelFamily = {
  name: 'Stable Diffusion 1.x and 2.x',
  required: ['unet', 'vae', 'text_encoder'],
  denoiser: 'unet',
  // XL has a second text encoder beside the same folders. If the UNet is missing, only the class name shows it.
  matches: ({ className, entries }) =>
    !entries.includes('text_encoder_2') &&
    (entries.includes('unet') || /^StableDiffusion(Inpaint)?Pipeline$/.test(className ?? '')),
  summary(folder) {
    const { sample_size: side, in_channels: inputs } = folder.components.get('unet')?.config ?? {};
    const { prediction_type: predicts } = folder.schedulerConfig;
    return {
      ...latentSize(folder, side, inputs),
      predictionType: typeof predicts === 'string' ? predicts : 'epsilon',
      notes: notesOrFault(() => stableDiffusionSchedule(folder).notes ?? []),
    };
  },
  open,
};

async function open({
  folder,
  programs,
  checkpointBlocks,
  clipOptions = {},
}: BackboneParts): Promise<Backbone> {
  const unet = componentOf(folder, 'unet');
  const vae = componentOf(folder, 'vae');
  const encoder = componentOf(folder, 'text_encoder');

  const { config, motion: modules, isForClips } = unetParts(folder);
  const vaeConfig = autoencoderConfig(vae.config, `${vae.dir}/config.json`);
  const latentChannels = vaeConfig.latent_channels;
  // A UNet for inpainting also sees a mask and the latent of the masked image.
  const paintsMask = config.in_channels === 2 * latentChannels + 1;
  if (config.in_channels !== latentChannels && !paintsMask) {
    throw new UserError(
      `${folder.dir}: the UNet takes ${config.in_channels} channels, the autoencoder gives ${latentChannels}; they must be the same, or ${2 * latentChannels + 1} for inpainting`,
    );
  }
  checkNetworksFit(
    folder.dir,
    config,
    vaeConfig,
    clipTextConfig(encoder.config, `${encoder.dir}/config.json`),
  );
  const { schedule, notes = [], ...sampling } = stableDiffusionSchedule(folder);
  const ofClips = modules && clipSchedule(folder, isForClips);
  const scheduleOf = ({ frames = 1 }: ClipSize) => (frames > 1 && ofClips ? ofClips.schedule : schedule);
  const clipTokenizer = await openTokenizer(folder);
  const tokenizer = folder.embeddings ? await openTokenizer(folder, folder.embeddings) : clipTokenizer;

  const weights = networkWeights(unet.weights);
  const decoder = { config: vaeConfig, weights: networkWeights(vae.weights), checkpointBlocks };
  const prompts = promptEncoder(encoder, tokenizer, programs, folder.embeddings);

  const scaleFactor = scaleFactorOf(vaeConfig);
  const sampleSize = config.sample_size ?? DEFAULT_SAMPLE_SIZE;
  const [rows, columns] = typeof sampleSize === 'number' ? [sampleSize, sampleSize] : sampleSize;
  const fewStep = fewStepSampling(schedule.config, config);

  const { motion, clips } = openMotion(modules, weights, clipOptions) ?? {};
  const network = { programs, config, weights, checkpointBlocks, motion };

  /** What the network reads for the prompts and the image around what is painted. */
  async function conditioning({
    prompt,
    negativePrompt = '',
    promptSyntax = DEFAULT_SYNTAX,
    timesteps,
    ...options
  }: DenoiserOptions) {
    const { clipSkip = 1 } = options;
    const positive = promptForSteps(prompt, promptSyntax, timesteps);
    const negative = promptForSteps(negativePrompt, promptSyntax, timesteps);
    const encoded = [await prompts.encode(positive, clipSkip), await prompts.encode(negative, clipSkip)];
    const longest = Math.max(...encoded.flat().map(({ tokens }) => tokens));
    const conditional = await prompts.padded(encoded[0], longest, clipSkip);
    const unconditional = await prompts.padded(encoded[1], longest, clipSkip);
    const latentShape = backbone.latentShape(options);
    const surroundings = paintsMask
      ? await surroundingsOf(programs, decoder, options, latentShape, options.maskedImage)
      : undefined;
    // The encodings are cached; few runs have a third text.
    await programs.release(TEXT_ENCODER);
    return { positive, negative, conditional, unconditional, latentShape, surroundings };
  }

  const backbone: Backbone = {
    info: {
      width: columns * scaleFactor,
      height: rows * scaleFactor,
      scaleFactor,
      sizeMultiple: scaleFactor,
      latentChannels,
      ...(paintsMask ? { paintsMask } : {}),
      ...sampling,
      notes: [...notes, ...(ofClips?.notes ?? [])],
      ...(clips ? { motion: clips } : {}),
      ...(fewStep ? { fewStep } : {}),
      ...(config.time_cond_proj_dim ? { embedsGuidance: true } : {}),
    },
    clipTokenizer,
    checkPrompt: (prompt, { promptSyntax = DEFAULT_SYNTAX } = {}) =>
      promptFit(parsePrompt(prompt, promptSyntax, 1), prompts, tokenizer),
    latentShape(size) {
      const frames = framesIn(size, clips, folder.dir);
      const sides = [size.height / scaleFactor, size.width / scaleFactor];
      return [1, latentChannels, ...(frames > 1 ? [frames] : []), ...sides];
    },
    noisePath: scheduleOf,
    async denoiser(options) {
      const { timesteps, evaluations = { forward: 0, pullback: 0 } } = options;
      const { positive, negative, conditional, unconditional, ...seen } = await conditioning(options);
      return denoiserBySteps(
        { stages: positive.stages, contexts: conditional },
        { stages: negative.stages, contexts: unconditional },
        timesteps,
        (conditional, unconditional) =>
          createDenoiser({
            ...network,
            ...seen,
            schedule: scheduleOf(options),
            conditional,
            unconditional,
            guidanceScale: options.guidanceScale,
            guidanceStart: options.guidanceStart,
            guidanceStop: options.guidanceStop,
            guidanceRescale: options.guidanceRescale,
            skipLayerGuidance: options.skipLayerGuidance,
            timesteps,
            evaluations,
          }),
      );
    },
    ...(paintsMask || config.time_cond_proj_dim
      ? {}
      : {
          trainable: trainableUNet({
            programs,
            config,
            weights,
            checkpointBlocks,
            source: unet.weights,
            prompts,
            tokenizer,
            latentScale: vaeConfig.scaling_factor,
            trainTimesteps: schedule.trainTimesteps,
          }),
        }),
    async crossAttention(options) {
      const { guidanceScale, evaluations = { forward: 0, pullback: 0 } } = options;
      const frames = framesOf(backbone.latentShape(options));
      if (frames > 1) {
        throw new UserError(
          `frames: the maps of attention are read of pictures only, got ${frames} frames; take one frame`,
        );
      }
      const { positive, conditional, latentShape, surroundings } = await conditioning(options);
      const promptTokens = prompts.tokensOf(positive);
      // Beside a negative prompt of several chunks the prompt is followed by empty ones.
      if (conditional[0].tokens > prompts.chunkSize) {
        throw severalChunks();
      }
      return createCrossAttention({
        ...network,
        conditional: conditional[0],
        promptTokens,
        guidanceScale,
        latentShape,
        surroundings,
        evaluations,
      });
    },
    async pairedDenoiser({ sourcePrompt, ...options }) {
      if (paintsMask || config.time_cond_proj_dim) {
        throw new UserError(
          `${folder.dir}: its network ${paintsMask ? 'paints masks' : 'takes the guidance scale as an input'}; two prompts side by side are not supported there`,
        );
      }
      const { evaluations = { forward: 0, pullback: 0 } } = options;
      const { positive, conditional, unconditional, latentShape } = await conditioning(options);
      const source = await conditioning({ ...options, prompt: sourcePrompt });
      for (const prompt of [positive, source.positive]) prompts.tokensOf(prompt);
      const contexts = [unconditional[0], source.conditional[0], conditional[0]];
      if (contexts.some(({ tokens }) => tokens > prompts.chunkSize)) throw severalChunks();
      return createPairedDenoiser({
        ...network,
        ...options,
        schedule: scheduleOf(options),
        contexts,
        latentShape,
        evaluations,
      });
    },
    encode: (image, noise) => encodeImage(programs, decoder, image, noise),
    decode: (latent, { width, height }) =>
      decodeLatent(programs, decoder, latent, backbone.latentShape({ width, height }), { width, height }),
    decodedPlanes: (latent) => decodedPlanes(decoder, latent),
  };
  return backbone;
}

const severalChunks = () =>
  new UserError(
    'attention: the negative prompt is read in several chunks; the attention can be read beside one',
  );

/** Largest default side of an image; the same as that of the request. */
const LARGEST_SIDE = 4096;

/** @throws UserError where the configurations of the networks contradict each other */
function checkNetworksFit(dir: string, unet: UNetConfig, vae: AutoencoderConfig, text: ClipTextConfig): void {
  const wrong = (what: string, fix: string) => new UserError(`${dir}: ${what}; ${fix}`);
  if (unet.out_channels !== vae.latent_channels) {
    throw wrong(
      `the UNet gives ${unet.out_channels} channels, the autoencoder's latent has ${vae.latent_channels}`,
      'they must be the same',
    );
  }
  if (vae.in_channels !== 3 || vae.out_channels !== 3) {
    throw wrong(
      `the autoencoder takes ${vae.in_channels} and gives ${vae.out_channels} channels`,
      'images have 3: red, green and blue',
    );
  }
  const width = unet.cross_attention_dim.find((each) => each !== text.hidden_size);
  if (width !== undefined) {
    throw wrong(
      `the UNet reads text of width ${width} (cross_attention_dim), the text encoder gives ${text.hidden_size} (hidden_size)`,
      'they must be the same',
    );
  }
  const side = Math.max(...[unet.sample_size ?? DEFAULT_SAMPLE_SIZE].flat()) * scaleFactorOf(vae);
  if (side > LARGEST_SIDE) {
    throw wrong(
      `sample_size of the UNet and block_out_channels of the autoencoder make images of ${side} pixels`,
      `sides must be at most ${LARGEST_SIDE}`,
    );
  }
}

async function openTokenizer(folder: ModelFolder, embeddings?: readonly EmbeddingWord[]) {
  const { dir, config } = tokenizerOf(folder);
  if (!(await hasTokenizer(dir))) {
    throw new UserError(
      `${folder.dir}: it has no tokenizer, expected in ${dir}; give one with the option tokenizer: a folder with tokenizer.json, or vocab.json and merges.txt, of a CLIP, or a pulled model such as openai/clip-vit-large-patch14`,
    );
  }
  return loadTokenizer(dir, { config, embeddings });
}
