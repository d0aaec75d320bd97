/** @file What the UNet reads beside its prompts' guidance: shapes and numbers of every program that runs it. */
import { concat, expand, resident, type Tensor, type TensorSpec } from '@sgool/autodiff';
import type { UNetInputs } from '../../networks/unet/unet.ts';
import type { UNetConfig } from '../../networks/unet/unet-config.ts';
import type { TextContext } from '../text-context.ts';
import { guidanceEmbedding } from './guidance-embedding.ts';

/** Channels of the network's input behind those of the latent. */
export interface Surroundings {
  readonly channels: number;
  readonly data: Float32Array;
}

/** What the inputs depend on, beside the prompts. */
export interface UNetInputParts {
  readonly config: UNetConfig;
  /** `[1, channels, height, width]`; of a clip `[1, channels, frames, height, width]`. */
  readonly latentShape: readonly number[];
  /** What the network sees beside the latent, of its shape but for the channels: the same in every call. */
  readonly surroundings?: Surroundings | undefined;
  /** A network that was distilled with guidance (`time_cond_proj_dim`) gets it as an input. */
  readonly guidanceScale: number;
}

/** The shapes of the inputs of a program, and how its trace puts them together for the network. */
export function tracedInputs(
  { config, latentShape, surroundings }: UNetInputParts,
  prompts: 1 | 2,
  { tokens, width }: TextContext,
): { shapes: Record<string, TensorSpec>; read: (given: Readonly<Record<string, Tensor>>) => UNetInputs } {
  const [batch, , ...others] = latentShape;
  const conditionWidth = config.time_cond_proj_dim;
  return {
    shapes: {
      latent: { shape: latentShape },
      timestep: { shape: [1] },
      context: { shape: [prompts, tokens, width] },
      ...(surroundings && { surroundings: { shape: [batch, surroundings.channels, ...others] } }),
      ...(conditionWidth && { timestepCondition: { shape: [1, conditionWidth] } }),
    },
    read({ latent, timestep, context, ...given }) {
      // The latent first, then what surrounds it.
      const one = surroundings ? concat([latent, given.surroundings], 1) : latent;
      return {
        sample: prompts === 2 ? concat([one, one], 0) : one,
        timestep: prompts === 2 ? expand(timestep, [2]) : timestep,
        context,
        ...(conditionWidth && { timestepCondition: given.timestepCondition }),
      };
    },
  };
}

/** The numbers of these inputs for a call. */
export function inputNumbers(
  { config, surroundings, guidanceScale }: UNetInputParts,
  context: TextContext,
): (latent: Float64Array, timestep: number) => Record<string, Float32Array> {
  const conditionWidth = config.time_cond_proj_dim;
  const always = {
    context: context.data,
    ...(surroundings && { surroundings: resident(surroundings.data) }),
    ...(conditionWidth && { timestepCondition: guidanceEmbedding(guidanceScale, conditionWidth) }),
  };
  return (latent, timestep) => ({
    latent: Float32Array.from(latent),
    timestep: Float32Array.of(timestep),
    ...always,
  });
}
