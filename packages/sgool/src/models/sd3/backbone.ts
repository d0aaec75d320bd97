/** @file Stable Diffusion 3 and 3.5: a transformer over picture and text, two CLIPs and perhaps T5, an autoencoder of 16 channels. */
import { UserError } from '../../errors.ts';
import { sd3Config } from '../../networks/transformer/sd3-config.ts';
import { sd3Transformer } from '../../networks/transformer/sd3-transformer.ts';
import type { Backbone, BackboneParts, ModelFamily } from '../backbone.ts';
import { componentOf } from '../components.ts';
import { flowBackbone } from '../flow/flow-backbone.ts';
import { type FlowScheduleParts, flowSummary } from '../flow/schedule.ts';
import { transformerWeights } from '../flow/transformer.ts';
import { sd3TextEncoders, THIRD } from './text-encoders.ts';

export const sd3: ModelFamily = {
  name: 'Stable Diffusion 3 and 3.5',
  required: ['transformer', 'vae', 'text_encoder', 'text_encoder_2'],
  denoiser: 'transformer',
  matches: ({ className }) => className === 'StableDiffusion3Pipeline',
  summary: (folder) =>
    flowSummary(folder, SCHEDULE, folder.components.get('transformer')?.config.sample_size ?? SAMPLE_SIZE),
  open,
};

const SCHEDULE: FlowScheduleParts = {
  published: { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 },
};

/** Side of the latent of a transformer whose file does not say. */
const SAMPLE_SIZE = 128;

/** What StableDiffusion3Pipeline takes where nothing is said. */
const PUBLISHED = { steps: 28, guidanceScale: 7 } as const;

async function open(parts: BackboneParts): Promise<Backbone> {
  const { folder, programs, checkpointBlocks } = parts;
  const transformer = componentOf(folder, 'transformer');
  const config = sd3Config(transformer.config, `${transformer.dir}/config.json`);
  if (config.in_channels !== config.out_channels) {
    throw new UserError(
      `${folder.dir}: the transformer takes ${config.in_channels} channels and gives ${config.out_channels}; they must be the same`,
    );
  }
  const encoders = await sd3TextEncoders(folder, config, programs);
  const weights = transformerWeights(transformer);
  return flowBackbone(parts, {
    transformer: sd3Transformer(config, weights, { checkpointBlocks }),
    encoders,
    latentChannels: config.in_channels,
    patchSize: config.patch_size,
    pooledWidth: config.pooled_projection_dim,
    sampleSize: config.sample_size,
    mostPatches: config.pos_embed_max_size,
    embedsGuidance: false,
    skippableLayers: config.num_layers,
    schedule: SCHEDULE,
    info: {
      published: PUBLISHED,
      notes: folder.components.has(THIRD.encoder)
        ? []
        : [
            `${folder.dir} has no T5 (${THIRD.encoder}): its place is zero, as published; prompts are read by the CLIPs alone`,
          ],
    },
  });
}
