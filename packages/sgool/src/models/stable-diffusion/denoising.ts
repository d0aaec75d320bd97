/** @file The UNet under classifier-free guidance, as the denoiser that samplers call. */
import type { Weights } from '@sgool/autodiff';
import type { Denoiser } from '../../diffusion/denoiser.ts';
import type { Schedule } from '../../diffusion/schedule.ts';
import { type Motion, unet } from '../../networks/unet/unet.ts';
import { type GuidanceParts, type GuidedNetwork, guidedDenoiser } from '../guided-denoiser.ts';
import { inputNumbers, tracedInputs, type UNetInputParts } from './unet-inputs.ts';

export interface DenoiserParts extends GuidanceParts, UNetInputParts {
  readonly weights: Weights;
  /** What mixes the frames of clips. */
  readonly motion?: Motion | undefined;
  /** Whether gradients compute the activations of each block again instead of keeping them. Default false. */
  readonly checkpointBlocks?: boolean;
  readonly schedule: Schedule;
}

/** A denoiser for one prompt, see `guidedDenoiser`. */
export function createDenoiser({ schedule, ...parts }: DenoiserParts): Denoiser {
  const { predicts, trainTimesteps } = schedule;
  return guidedDenoiser({ ...parts, network: unetNetwork(parts), predicts, trainTimesteps });
}

function unetNetwork(parts: Omit<DenoiserParts, 'schedule'>): GuidedNetwork {
  const { config, weights, checkpointBlocks, motion } = parts;
  return {
    name: 'unet',
    embedsGuidance: Boolean(config.time_cond_proj_dim),
    inputs(prompts, context) {
      const { shapes, read } = tracedInputs(parts, prompts, context);
      const network = unet(config, weights, { checkpointBlocks, motion });
      return { shapes, predict: (given) => network(read(given)) };
    },
    numbers: (context) => inputNumbers(parts, context),
  };
}
