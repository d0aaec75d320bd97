/** @file From images to latents. */
import { add, exp, mul, trace } from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import { type Image, type ImageSize, planesFromImage } from '../image/image.ts';
import { autoencoder } from '../networks/autoencoder/autoencoder.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import { type DecoderParts, scaleFactorOf } from './decoding.ts';

/**
 * The latent of an image at the scale of the UNet: the mean of the autoencoder's posterior, or with noise a sample of it, as
 * diffusers' pipelines take. `decodeLatent` inverts it up to what the autoencoder loses.
 *
 * @param noise standard normal numbers, as many as the latent has
 * @returns `[1, channels, height, width]` of the latent, as float64
 * @throws UserError where the sides are not multiples of the autoencoder's stride
 */
export function encodeImage(
  programs: ProgramCache,
  parts: DecoderParts,
  image: Image,
  noise?: Float64Array,
): Promise<Float64Array> {
  return encodePlanes(programs, parts, planesFromImage(image, [-1, 1]), image, noise);
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
  noise?: Float64Array,
): Promise<Float64Array> {
  const scale = scaleFactorOf(config);
  if (width % scale !== 0 || height % scale !== 0) {
    throw new UserError(
      `encode: sides must be multiples of ${scale}, got ${width} x ${height}; resize the image first`,
    );
  }
  const program = await programs.get(`encoder ${width}x${height}${noise ? ' with deviation' : ''}`, () =>
    trace({ image: { shape: [1, 3, height, width] } }, (inputs) => {
      const { mean, logvar } = autoencoder(config, weights).encode(inputs.image);
      return {
        latent: mul(add(mean, -(config.shift_factor ?? 0)), config.scaling_factor),
        ...(noise && { deviation: mul(exp(mul(0.5, logvar)), config.scaling_factor) }),
      };
    }),
  );
  const { latent, deviation } = await program.run({ image: planes });
  const mean = Float64Array.from(latent as Float32Array);
  return noise ? mean.map((value, i) => value + Number(deviation[i]) * noise[i]) : mean;
}
