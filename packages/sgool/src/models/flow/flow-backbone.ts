/** @file What the rectified flows share: a transformer over latents of an autoencoder with a shift, under texts of several encoders. */
import { UserError } from '../../errors.ts';
import type { ClipSize, ImageSize } from '../../image/image.ts';
import { autoencoderConfig } from '../../networks/autoencoder/autoencoder-config.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import type { Backbone, BackboneParts } from '../backbone.ts';
import { componentOf } from '../components.ts';
import { decodedPlanes, decodeLatent, scaleFactorOf } from '../decoding.ts';
import { encodeImage } from '../encoding.ts';
import { guidedDenoiser } from '../guided-denoiser.ts';
import type { BackboneInfo } from '../model-info.ts';
import { denoiserBySteps } from '../prompt-steps.ts';
import { flowPrompts, type TextEncoders } from './prompts.ts';
import { type FlowScheduleParts, flowSchedule } from './schedule.ts';
import { type FlowTransformer, transformerNetwork } from './transformer.ts';

/** What differs from family to family. */
export interface FlowFamily {
  readonly transformer: FlowTransformer;
  readonly encoders: TextEncoders;
  /** Channels of the latent that the transformer takes and gives. */
  readonly latentChannels: number;
  /** Side of the square of latent elements that becomes a token. */
  readonly patchSize: number;
  /** Of the pooled text that the transformer reads. */
  readonly pooledWidth: number;
  /** Side of the latent that the model was trained for. */
  readonly sampleSize: number;
  /** Most tokens on a side of an image, where there is a limit. */
  readonly mostPatches?: number;
  /** Whether the guidance scale is an input of the transformer. */
  readonly embedsGuidance: boolean;
  /** How many blocks of the transformer guidance can skip, where any can. */
  readonly skippableLayers?: number;
  readonly schedule: FlowScheduleParts;
  /** How the model is sampled where nothing else is said, and lines for the user. */
  readonly info: Pick<BackboneInfo, 'fewStep' | 'published' | 'notes'>;
}

/** The Backbone of a flow. @throws UserError where autoencoder and transformer do not fit each other */
export function flowBackbone(
  { folder, programs, checkpointBlocks }: BackboneParts,
  family: FlowFamily,
): Backbone {
  const { transformer, encoders, latentChannels, patchSize, pooledWidth, embedsGuidance, skippableLayers } =
    family;
  const vae = componentOf(folder, 'vae');
  const vaeConfig = autoencoderConfig(vae.config, `${vae.dir}/config.json`);
  if (vaeConfig.latent_channels !== latentChannels) {
    throw new UserError(
      `${folder.dir}: the transformer takes latents of ${latentChannels} channels, the autoencoder gives ${vaeConfig.latent_channels}; they must be the same`,
    );
  }
  const decoder = { config: vaeConfig, weights: networkWeights(vae.weights), checkpointBlocks };
  const scaleFactor = scaleFactorOf(vaeConfig);
  const sizeMultiple = scaleFactor * patchSize;
  const prompts = flowPrompts(encoders, programs);
  const { sampling, trainTimesteps, pathOf } = flowSchedule(folder, family.schedule);

  function latentShape({ width, height, frames = 1 }: ClipSize): readonly number[] {
    if (frames > 1) {
      throw new UserError(
        `request: ${folder.name} makes pictures, not clips; frames must be 1, got ${frames}`,
      );
    }
    const largest = (family.mostPatches ?? Number.POSITIVE_INFINITY) * sizeMultiple;
    if (Math.max(width, height) > largest) {
      throw new UserError(
        `request: sides must be at most ${largest} for ${folder.name}, got ${width}x${height}: its transformer knows no more places`,
      );
    }
    return [1, latentChannels, height / scaleFactor, width / scaleFactor];
  }
  const noisePath = ({ width, height }: ImageSize) =>
    pathOf(Math.floor(width / sizeMultiple) * Math.floor(height / sizeMultiple));

  return {
    info: {
      width: family.sampleSize * scaleFactor,
      height: family.sampleSize * scaleFactor,
      scaleFactor,
      sizeMultiple,
      latentChannels,
      keepsSampler: true,
      ...sampling,
      ...family.info,
      notes: [...sampling.notes, ...(family.info.notes ?? [])],
      // Guidance that is an input changes neither the price nor the exactness of an inversion.
      inversion: {
        sampler: 'reversible-heun',
        guidanceScale: embedsGuidance ? (family.info.published?.guidanceScale ?? 1) : 1,
      },
      ...(embedsGuidance ? { embedsGuidance } : {}),
      ...(skippableLayers === undefined ? {} : { skippableLayers }),
    },
    clipTokenizer: encoders.clipTokenizer,
    checkPrompt: prompts.checkPrompt,
    latentShape,
    noisePath,
    async denoiser({ evaluations = { forward: 0, pullback: 0 }, ...options }) {
      const { positive, negative } = await prompts.encode(options);
      const { guidanceScale, guidanceStart, guidanceStop, guidanceRescale, skipLayerGuidance } = options;
      const shape = latentShape(options);
      const network = transformerNetwork({
        transformer,
        latentShape: shape,
        pooledWidth,
        ...(embedsGuidance && { embeddedGuidance: guidanceScale }),
        ...(skippableLayers !== undefined && { skippableLayers }),
      });
      const { predicts } = noisePath(options);
      return denoiserBySteps(positive, negative, options.timesteps, (conditional, unconditional) =>
        guidedDenoiser({
          programs,
          network,
          predicts,
          trainTimesteps,
          latentShape: shape,
          conditional,
          unconditional,
          guidanceScale,
          guidanceStart,
          guidanceStop,
          guidanceRescale,
          skipLayerGuidance,
          timesteps: options.timesteps,
          evaluations,
        }),
      );
    },
    encode: (image, noise) => encodeImage(programs, decoder, image, noise),
    decode: (latent, size) => decodeLatent(programs, decoder, latent, latentShape(size), size),
    decodedPlanes: (latent) => decodedPlanes(decoder, latent),
  };
}
