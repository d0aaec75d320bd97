/** @file What an inpainting UNet sees beside the latent. */

import type { ImageSize } from '../../image/image.ts';
import { planesFromImage } from '../../image/image.ts';
import { product } from '../../numbers.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import type { MaskedImage } from '../backbone.ts';
import type { DecoderParts } from '../decoding.ts';
import { encodePlanes } from '../encoding.ts';
import { addFrameLatent, framesOf } from '../frames.ts';
import type { Surroundings } from './unet-inputs.ts';

/**
 * The mask (1 where the image is painted) in the size of the latent, and the latent of the image with what is painted in middle grey:
 * `[1, 1 + latent channels, height, width]`, of a clip with its frames behind the channels. Without an image all of it is painted.
 *
 * The latent is the mean of the autoencoder's posterior, where diffusers draws from it.
 *
 * Reference: diffusers, StableDiffusionInpaintPipeline (prepare_mask_latents).
 *
 * @param latentShape of images of this size, or of clips
 * @throws UserError where the sides are not multiples of the autoencoder's stride
 */
export async function surroundingsOf(
  programs: ProgramCache,
  autoencoder: DecoderParts,
  { width, height }: ImageSize,
  latentShape: readonly number[],
  masked?: MaskedImage,
): Promise<Surroundings> {
  const [rows, columns] = latentShape.slice(-2);
  const [one, channels, ...others] = latentShape;
  const isOpen = (pixel: number) => masked === undefined || masked.open[pixel] === 1;
  const mask = Float64Array.from({ length: rows * columns }, (_, i) => {
    // The nearest pixel, as torch takes it: the first one of each square.
    const y = Math.floor((Math.floor(i / columns) * height) / rows);
    const x = Math.floor(((i % columns) * width) / columns);
    return isOpen(y * width + x) ? 1 : 0;
  });
  const shape = [one, 1 + channels, ...others];
  const data = new Float64Array(product(shape));
  for (let frame = 0; frame < framesOf(shape); frame++) {
    const planes = masked
      ? planesFromImage(masked.images[frame], [-1, 1])
      : new Float32Array(3 * width * height);
    const seen = planes.map((value, i) => (isOpen(i % (width * height)) ? 0 : value));
    const latent = await encodePlanes(programs, autoencoder, seen, { width, height });
    const both = new Float64Array(mask.length + latent.length);
    both.set(mask);
    both.set(latent, mask.length);
    addFrameLatent(data, shape, frame, both);
  }
  return { channels: 1 + channels, data: Float32Array.from(data) };
}
