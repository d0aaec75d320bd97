/** @file The transformer of a rectified flow, as guidance sees it. */
import { concat, expand, type Tensor, type TensorSpec, type Weights } from '@sgool/autodiff';
import { required } from '../../errors.ts';
import { layoutFor, networkWeights } from '../../networks/network-weights.ts';
import { weightBytes } from '../../weights/formats/weight-source.ts';
import type { ModelComponent } from '../../weights/open/model-folder.ts';
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

/** How a transformer is traced. */
export interface TransformerCall {
  /** Indices of the blocks that are left out, for those that can leave some out. Default none. */
  readonly skippedLayers?: readonly number[];
}

/** A transformer with its weights: from its inputs to the velocity, of the shape of the sample. */
export type FlowTransformer = (inputs: FlowInputs, options?: TransformerCall) => Tensor;

/**
 * The weights of a transformer. Of a large one, floats of 8 bits stay in their file: as float32 those of Flux would take 48 GB.
 */
export function transformerWeights({ weights }: Pick<ModelComponent, 'weights'>): Weights {
  const isLarge = layoutFor(weightBytes(weights.tensors)) === 'lean';
  return networkWeights(weights, { mapsFloat8: isLarge });
}

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
  /** How many of its blocks can be left out, where any can. */
  readonly skippableLayers?: number;
}

/** The transformer for latents of one size. */
export function transformerNetwork({
  transformer,
  latentShape,
  pooledWidth,
  embeddedGuidance,
  skippableLayers,
}: TransformerNetworkParts): GuidedNetwork {
  const fixed: Record<string, Float32Array> =
    embeddedGuidance === undefined ? {} : { guidance: Float32Array.of(SCALE_OF_GUIDANCE * embeddedGuidance) };
  return {
    name: 'transformer',
    embedsGuidance: embeddedGuidance !== undefined,
    ...(skippableLayers !== undefined && { skippableLayers }),
    inputs(prompts, { tokens, width, emptyTokens }, skippedLayers = []) {
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
          transformer(
            {
              sample: prompts === 2 ? concat([latent, latent], 0) : latent,
              timestep: expand(timestep, [prompts]),
              context,
              pooled,
              emptyTokens,
              ...(guidance && { guidance: expand(guidance, [prompts]) }),
            },
            { skippedLayers },
          ),
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
