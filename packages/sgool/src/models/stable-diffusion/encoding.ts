/** @file From images to latents. */
import { add, mul, trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { type Image, type ImageSize, planesFromImage } from '../../image/image.ts';
import { autoencoder } from '../../networks/autoencoder/autoencoder.ts';
import type { ProgramCache } from '../../runtime/program-cache.ts';
import { type DecoderParts, scaleFactorOf } from './decoding.ts';

/**
 * The latent of an image: the mean of the autoencoder's posterior, at the scale of the UNet. `decodeLatent` inverts it up to
 * what the autoencoder loses.
 *
 * @returns `[1, channels, height, width]` of the latent, as float64
 * @throws UserError where the sides are not multiples of the autoencoder's stride
 */
export function encodeImage(
  programs: ProgramCache,
  parts: DecoderParts,
  image: Image,
): Promise<Float64Array> {
  return encodePlanes(programs, parts, planesFromImage(image, [-1, 1]), image);
}

/**
 * The same of planes.
 *
 * @param planes `[3, height, width]`, black at -1 and white at 1
 */
export async function encodePlanes(
  programs: ProgramCache,
  { config, weights }: DecoderParts,
  planes: Float32Array,
  { width, height }: ImageSize,
): Promise<Float64Array> {
  const scale = scaleFactorOf(config);
  if (width % scale !== 0 || height % scale !== 0) {
    throw new UserError(
      `encode: sides must be multiples of ${scale}, got ${width} x ${height}; resize the image first`,
    );
  }
  const program = await programs.get(`encoder ${width}x${height}`, () =>
    trace({ image: { shape: [1, 3, height, width] } }, (inputs) => {
      const { mean } = autoencoder(config, weights).encode(inputs.image);
      return { latent: mul(add(mean, -(config.shift_factor ?? 0)), config.scaling_factor) };
    }),
  );
  const { latent } = await program.run({ image: planes });
  return Float64Array.from(latent as Float32Array);
}
