/** @file How well the autoencoder reconstructs images. */

import { compile, trace, type Weights } from '@sgool/autodiff';
import { type AutoencoderConfig, autoencoder } from 'sgool/networks';
import { IMAGE, PIXELS, type PooledScene, writePlanes } from '../../train/scenes.ts';

export type ReconstructionQuality = {
  /** Mean over the images of 10 log10(4 / MSE), pixels in [-1, 1], in dB. */
  readonly psnr: number;
  /** Mean and standard deviation of all latents, before any scaling. */
  readonly latentMean: number;
  readonly latentDeviation: number;
};

/**
 * Encodes images, takes the mean of the latent distribution, and decodes it.
 *
 * @param onReconstruction called with the RGB bytes of each decoded image, in the order of `scenes`
 */
export async function reconstructionQuality(
  config: AutoencoderConfig,
  weights: Weights,
  scenes: readonly PooledScene[],
  onReconstruction?: (bytes: Uint8Array) => Promise<void> | void,
): Promise<ReconstructionQuality> {
  const program = await compile(
    trace({ image: { shape: [1, 3, IMAGE, IMAGE] } }, ({ image }) => {
      const network = autoencoder(config, weights);
      const { mean: latent } = network.encode(image);
      return { decoded: network.decode(latent), latent };
    }),
  );
  const image = new Float32Array(3 * PIXELS);
  let [psnr, sum, squares] = [0, 0, 0];
  try {
    for (const { image: bytes } of scenes) {
      writePlanes(bytes, image, 0);
      const outputs = await program.run({ image });
      const latent = outputs.latent as Float32Array;
      const decoded = (outputs.decoded as Float32Array).map((v) => Math.min(1, Math.max(-1, v)));
      let error = 0;
      for (let i = 0; i < image.length; i++) error += (decoded[i] - image[i]) ** 2;
      psnr += 10 * Math.log10((4 * image.length) / error);
      for (const v of latent) {
        sum += v / latent.length;
        squares += v ** 2 / latent.length;
      }
      await onReconstruction?.(interleaved(decoded));
    }
  } finally {
    await program.dispose();
  }
  const count = scenes.length;
  return {
    psnr: psnr / count,
    latentMean: sum / count,
    latentDeviation: Math.sqrt(squares / count - (sum / count) ** 2),
  };
}

/** Planes in [-1, 1] as RGB bytes. */
function interleaved(planes: Float32Array): Uint8Array {
  const bytes = new Uint8Array(planes.length);
  for (let i = 0; i < PIXELS; i++) {
    for (let c = 0; c < 3; c++) bytes[3 * i + c] = Math.round((planes[c * PIXELS + i] + 1) * 127.5);
  }
  return bytes;
}
