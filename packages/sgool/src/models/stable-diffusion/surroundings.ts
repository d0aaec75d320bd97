/** @file What an inpainting UNet sees beside the latent. */

import type { ImageSize } from '../../image/image.ts';
import { planesFromImage } from '../../image/image.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { MaskedImage } from '../backbone.ts';
import type { DecoderParts } from '../decoding.ts';
import { encodePlanes } from '../encoding.ts';
import type { Surroundings } from './unet-inputs.ts';

/**
 * The mask (1 where the image is painted) in the size of the latent, and the latent of the image with what is painted in middle grey:
 * `[1, 1 + latent channels, height, width]`. Without an image all of it is painted.
 *
 * The latent is the mean of the autoencoder's posterior, where diffusers draws from it.
 *
 * Reference: diffusers, StableDiffusionInpaintPipeline (prepare_mask_latents).
 *
 * @param latentShape `[1, channels, height, width]` for an image of this size
 * @throws UserError where the sides are not multiples of the autoencoder's stride
 */
export async function surroundingsOf(
  programs: ProgramCache,
  autoencoder: DecoderParts,
  { width, height }: ImageSize,
  [, channels, rows, columns]: readonly number[],
  masked?: MaskedImage,
): Promise<Surroundings> {
  const isOpen = (pixel: number) => masked === undefined || masked.open[pixel] === 1;
  const planes = masked ? planesFromImage(masked.image, [-1, 1]) : new Float32Array(3 * width * height);
  const seen = planes.map((value, i) => (isOpen(i % (width * height)) ? 0 : value));
  const latent = await encodePlanes(programs, autoencoder, seen, { width, height });
  const data = new Float32Array((1 + channels) * rows * columns);
  for (let i = 0; i < rows * columns; i++) {
    // The nearest pixel, as torch takes it: the first one of each square.
    const y = Math.floor((Math.floor(i / columns) * height) / rows);
    const x = Math.floor(((i % columns) * width) / columns);
    data[i] = isOpen(y * width + x) ? 1 : 0;
  }
  data.set(latent, rows * columns);
  return { channels: 1 + channels, data };
}
