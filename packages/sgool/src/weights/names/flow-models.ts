/**
 * @file The flow models of which single files are published: what such a file is recognised by, and what it does not say.
 *
 * Reference: stabilityai/stable-diffusion-3-medium-diffusers, stable-diffusion-3.5-*, black-forest-labs/FLUX.1-dev, FLUX.1-schnell
 * (model_index.json, scheduler, vae)
 */
import type { WeightSource } from '../formats/weight-source.ts';
import type { Config } from '../sources/read-config.ts';
import { FLUX } from './flux.ts';
import { inferFluxConfig, inferSd3Config } from './infer-flow-config.ts';
import { SD3 } from './sd3.ts';
import type { TransformerNaming } from './transformer-naming.ts';

/** Kinds of text encoders that flow models have. */
export type TextEncoderKind = 'CLIP-L' | 'CLIP-G' | 'T5';

/** One kind of flow model. */
export interface FlowModel {
  /** diffusers' class of its pipeline. */
  readonly pipeline: string;
  /** diffusers' class of its transformer. */
  readonly transformer: string;
  /** A tensor of its own, by the name in its files, and by that in diffusers. */
  readonly marks: readonly string[];
  readonly naming: TransformerNaming;
  /** Its text encoders by their folders in diffusers. */
  readonly textEncoders: Readonly<Record<string, TextEncoderKind>>;
  /** Configuration of the transformer, from weights with diffusers' names. */
  inferConfig(source: WeightSource): Config;
  /** Configuration of the scheduler, from that of the transformer. */
  scheduler(transformer: Config): Config;
  /** What the shapes of its autoencoder do not say. */
  readonly vae: Config;
}

const SCHEDULER: Config = { _class_name: 'FlowMatchEulerDiscreteScheduler', num_train_timesteps: 1000 };

export const FLOW_MODELS: readonly FlowModel[] = [
  {
    pipeline: 'StableDiffusion3Pipeline',
    transformer: 'SD3Transformer2DModel',
    marks: ['joint_blocks.0.x_block.attn.qkv.weight', 'pos_embed.pos_embed'],
    naming: SD3,
    textEncoders: { text_encoder: 'CLIP-L', text_encoder_2: 'CLIP-G', text_encoder_3: 'T5' },
    inferConfig: inferSd3Config,
    scheduler: () => ({ ...SCHEDULER, shift: 3 }),
    vae: { scaling_factor: 1.5305, shift_factor: 0.0609 },
  },
  {
    pipeline: 'FluxPipeline',
    transformer: 'FluxTransformer2DModel',
    marks: ['double_blocks.0.img_attn.qkv.weight', 'single_transformer_blocks.0.proj_mlp.weight'],
    naming: FLUX,
    textEncoders: { text_encoder: 'CLIP-L', text_encoder_2: 'T5' },
    inferConfig: inferFluxConfig,
    // The distilled model of few steps has no guidance embedding, and was trained for an even grid.
    scheduler: ({ guidance_embeds: guided }) => ({
      ...SCHEDULER,
      ...(guided
        ? {
            shift: 3,
            use_dynamic_shifting: true,
            base_shift: 0.5,
            max_shift: 1.15,
            base_image_seq_len: 256,
            max_image_seq_len: 4096,
          }
        : { shift: 1, use_dynamic_shifting: false }),
    }),
    vae: { scaling_factor: 0.3611, shift_factor: 0.1159 },
  },
];

/** The kind of flow model that a pipeline is. */
export const flowModelOf = ({ _class_name: name }: Config): FlowModel | undefined =>
  FLOW_MODELS.find(({ pipeline }) => pipeline === name);

/** What stands in front of a transformer's names in a file with more than the transformer. */
export const TRANSFORMER_PREFIXES = ['', 'model.diffusion_model.'] as const;

/** The kind of flow model whose transformer a file holds, and the prefix of its names. */
export function flowModelIn(
  names: ReadonlySet<string> | ReadonlyMap<string, unknown>,
): { readonly model: FlowModel; readonly prefix: string } | undefined {
  for (const model of FLOW_MODELS) {
    for (const prefix of TRANSFORMER_PREFIXES) {
      if (model.marks.some((mark) => names.has(prefix + mark))) return { model, prefix };
    }
  }
  return undefined;
}
