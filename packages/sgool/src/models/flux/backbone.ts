/** @file Flux.1: a transformer over picture and text, a CLIP and T5, an autoencoder of 16 channels. */
import { UserError } from '../../errors.ts';
import { fluxConfig, PACKED_SIDE } from '../../networks/transformer/flux-config.ts';
import { fluxTransformer } from '../../networks/transformer/flux-transformer.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { Config } from '../../weights/sources/read-config.ts';
import type { Backbone, BackboneParts, ModelFamily } from '../backbone.ts';
import { componentOf } from '../components.ts';
import { flowBackbone } from '../flow/flow-backbone.ts';
import { type FlowScheduleParts, flowSummary } from '../flow/schedule.ts';
import { transformerWeights } from '../flow/transformer.ts';
import { fluxTextEncoders } from './text-encoders.ts';

export const flux: ModelFamily = {
  name: 'Flux.1',
  required: ['transformer', 'vae', 'text_encoder', 'text_encoder_2'],
  denoiser: 'transformer',
  matches: ({ className }) => className === 'FluxPipeline',
  summary: (folder) =>
    flowSummary(
      folder,
      scheduleOf(isFewStep(folder, folder.components.get('transformer')?.config ?? {})),
      SAMPLE_SIZE,
    ),
  open,
};

/** Side of the latent of the published models; their files do not say. */
const SAMPLE_SIZE = 128;

/** Whether it is schnell: in four steps guidance is neither an input nor needed, and the shift does not depend on the image. */
const isFewStep = ({ schedulerConfig }: ModelFolder, { guidance_embeds: embeds }: Config) =>
  embeds !== true && schedulerConfig.use_dynamic_shifting !== true;

const scheduleOf = (isFewStep: boolean): FlowScheduleParts => ({
  sigmas: 'even',
  published: {
    _class_name: 'FlowMatchEulerDiscreteScheduler',
    ...(isFewStep ? { shift: 1 } : { shift: 3, use_dynamic_shifting: true }),
  },
});

async function open(parts: BackboneParts): Promise<Backbone> {
  const { folder, programs, checkpointBlocks } = parts;
  const transformer = componentOf(folder, 'transformer');
  const config = fluxConfig(transformer.config, `${transformer.dir}/config.json`);
  if (config.in_channels !== config.out_channels) {
    throw new UserError(
      `${folder.dir}: the transformer takes ${config.in_channels} channels and gives ${config.out_channels}; they must be the same`,
    );
  }
  const { guidance_embeds: embedsGuidance } = config;
  const fewStep = isFewStep(folder, transformer.config);
  const encoders = await fluxTextEncoders(folder, config, programs, fewStep ? 256 : 512);
  const weights = transformerWeights(transformer);
  return flowBackbone(parts, {
    transformer: fluxTransformer(config, weights, { checkpointBlocks }),
    encoders,
    latentChannels: config.in_channels / PACKED_SIDE ** 2,
    patchSize: PACKED_SIDE,
    pooledWidth: config.pooled_projection_dim,
    sampleSize: SAMPLE_SIZE,
    embedsGuidance,
    schedule: scheduleOf(fewStep),
    // Steps and guidance of the published examples.
    info: fewStep
      ? { fewStep: { sampler: 'euler', steps: 4, guidanceScale: 1 } }
      : { published: { steps: 28, guidanceScale: 3.5 } },
  });
}
