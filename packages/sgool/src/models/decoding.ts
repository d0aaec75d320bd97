/** @file From latents to images. */
import { add, div, mul, type Tensor, trace, type Weights } from '@sgool/autodiff';
import { type Image, type ImageSize, imageFromPlanes } from '../image/image.ts';
import { autoencoder } from '../networks/autoencoder/autoencoder.ts';
import type { AutoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';

export interface DecoderParts {
  readonly config: AutoencoderConfig;
  readonly weights: Weights;
  /** Whether gradients compute the activations of each block again instead of keeping them. Default false. */
  readonly checkpointBlocks?: boolean;
}

/** Pixels per latent in each direction. */
export function scaleFactorOf({ block_out_channels }: AutoencoderConfig): number {
  return 2 ** (block_out_channels.length - 1);
}

/** Inside a trace: the UNet's latent [1, channels, h, w] to planes [1, 3, H, W], black at 0 and white at 1, not clamped. */
export function decodedPlanes({ config, weights, checkpointBlocks }: DecoderParts, latent: Tensor): Tensor {
  const scaled = add(div(latent, config.scaling_factor), config.shift_factor ?? 0);
  return add(mul(autoencoder(config, weights, { checkpointBlocks }).decode(scaled), 0.5), 0.5);
}

/** The eight-bit image of a latent. */
export async function decodeLatent(
  programs: ProgramCache,
  parts: DecoderParts,
  latent: Float64Array,
  latentShape: readonly number[],
  { width, height }: ImageSize,
): Promise<Image> {
  const program = await programs.get(`decoder ${latentShape.join('x')}`, () =>
    // Not clamped here: an infinity would leave as white.
    trace({ latent: { shape: latentShape } }, (inputs) => ({ planes: decodedPlanes(parts, inputs.latent) })),
  );
  const { planes } = await program.run({ latent: Float32Array.from(latent) });
  return imageFromPlanes(planes as Float32Array, width, height);
}
