/** @file The transformer of a rectified flow, as guidance sees it. */
import { concat, expand, type Tensor, type TensorSpec } from '@sgool/autodiff';
import { required } from '../../errors.ts';
import type { GuidedNetwork } from '../guided-denoiser.ts';

/** What a transformer of a flow reads. Its sizes are [prompts, ...]. */
export interface FlowInputs {
  /** [prompts, channels, height, width] */
  readonly sample: Tensor;
  /** [prompts], 1000 times s */
  readonly timestep: Tensor;
  /** [prompts, tokens, width] */
  readonly context: Tensor;
  /** [prompts, pooledWidth] */
  readonly pooled: Tensor;
  /** Embeddings of zeros that follow the context. Default 0. */
  readonly emptyTokens?: number;
  /** [prompts], 1000 times the guidance scale, for a network that was distilled with guidance. */
  readonly guidance?: Tensor;
}

/** A transformer with its weights: from its inputs to the velocity, of the shape of the sample. */
export type FlowTransformer = (inputs: FlowInputs) => Tensor;

/** Factor on the guidance scale, as on s: diffusers multiplies both by it. */
const SCALE_OF_GUIDANCE = 1000;

export interface TransformerNetworkParts {
  readonly transformer: FlowTransformer;
  /** `[1, channels, height, width]`. */
  readonly latentShape: readonly number[];
  /** Of the pooled text. */
  readonly pooledWidth: number;
  /** The guidance scale, where it is an input of the network. */
  readonly embeddedGuidance?: number;
}

/** The transformer for latents of one size. */
export function transformerNetwork({
  transformer,
  latentShape,
  pooledWidth,
  embeddedGuidance,
}: TransformerNetworkParts): GuidedNetwork {
  const fixed: Record<string, Float32Array> =
    embeddedGuidance === undefined ? {} : { guidance: Float32Array.of(SCALE_OF_GUIDANCE * embeddedGuidance) };
  return {
    name: 'transformer',
    embedsGuidance: embeddedGuidance !== undefined,
    inputs(prompts, { tokens, width, emptyTokens }) {
      const shapes: Readonly<Record<string, TensorSpec>> = {
        latent: { shape: latentShape },
        timestep: { shape: [1] },
        context: { shape: [prompts, tokens, width] },
        pooled: { shape: [prompts, pooledWidth] },
        ...(embeddedGuidance !== undefined && { guidance: { shape: [1] } }),
      };
      return {
        shapes,
        predict: ({ latent, timestep, context, pooled, guidance }) =>
          transformer({
            sample: prompts === 2 ? concat([latent, latent], 0) : latent,
            timestep: expand(timestep, [prompts]),
            context,
            pooled,
            emptyTokens,
            ...(guidance && { guidance: expand(guidance, [prompts]) }),
          }),
      };
    },
    numbers: ({ data, pooled }) => {
      const always = { context: data, pooled: required(pooled, 'pooled text'), ...fixed };
      return (latent, timestep) => ({
        latent: Float32Array.from(latent),
        timestep: Float32Array.of(timestep),
        ...always,
      });
    },
  };
}
