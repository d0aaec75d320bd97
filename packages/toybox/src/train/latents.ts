/** @file What trainings over the autoencoder's latents share: the latents of rendered images, and noise on them. */

import { existsSync } from 'node:fs';
import { compile, sizeOf, trace } from '@sgool/autodiff';
import {
  autoencoder,
  autoencoderConfig,
  networkWeights,
  openComponent,
  openSafetensors,
  readTensor,
} from 'sgool/networks';
import { writeSafetensors } from 'sgool/node';
import { IMAGE, PIXELS } from './scenes.ts';

/** Numbers of a latent of Toybox, [4, 16, 16]. */
export const LATENT = 4 * 16 * 16;

const AT_ONCE = 4;

/** Images whose latents are wanted. */
export interface Rendered {
  /** The folder of the autoencoder. */
  readonly autoencoder: string;
  /** Where the latents are kept for the next start. */
  readonly file: string;
  /** What the images are, in words: latents of others are made anew. */
  readonly what: string;
  /** How many; a multiple of 4. */
  readonly count: number;
  /** Paints an image as planes of [-1, 1] into [3, 128, 128]. */
  readonly paint: (index: number, planes: Float32Array) => void;
}

/** Latents of images by a stored autoencoder, [count, channels, 16, 16], shifted and scaled to standard deviation 1. */
export async function latentsOf({
  autoencoder: folder,
  file,
  what,
  count,
  paint,
}: Rendered): Promise<Float32Array> {
  const { config: raw, weights } = await openComponent(folder);
  const config = autoencoderConfig(raw);
  const made = `${what}, scaling factor ${config.scaling_factor}`;
  if (existsSync(file)) {
    const kept = await openSafetensors(file);
    if (kept.metadata?.made === made) return readTensor(kept, 'latents');
  }
  const encode = await compile(
    trace({ image: { shape: [AT_ONCE, 3, IMAGE, IMAGE] } }, ({ image }) => ({
      latent: autoencoder(config, networkWeights(weights)).encode(image).mean,
    })),
  );
  const shape = [config.latent_channels, IMAGE / 8, IMAGE / 8] as const;
  const size = sizeOf(shape);
  const shift = config.shift_factor ?? 0;
  const latents = new Float32Array(count * size);
  const image = new Float32Array(AT_ONCE * 3 * PIXELS);
  for (let i = 0; i < count; i += AT_ONCE) {
    for (let b = 0; b < AT_ONCE; b++) paint(i + b, image.subarray(b * 3 * PIXELS, (b + 1) * 3 * PIXELS));
    const { latent } = await encode.run({ image });
    latents.set(
      (latent as Float32Array).map((v) => (v - shift) * config.scaling_factor),
      i * size,
    );
  }
  await encode.dispose();
  await writeSafetensors(
    file,
    { latents: { dtype: 'F32', shape: [count, ...shape], data: latents } },
    { made },
  );
  return latents;
}

const GAMMA = 5;

/**
 * How much the error of a noise prediction counts: min-SNR with gamma 5, which a small model with few training steps needs.
 *
 * Reference: Hang et al. 2023, "Efficient diffusion training via min-SNR weighting strategy".
 *
 * @param alpha share of the signal's variance, in (0, 1]
 */
export const importanceOf = (alpha: number): number => Math.min(1, (GAMMA * (1 - alpha)) / alpha);

/** Writes a latent with noise, sqrt(alpha) latent + sqrt(1 - alpha) noise, into an array of the same length. */
export function mixNoise(into: Float32Array, latent: Float32Array, noise: Float32Array, alpha: number): void {
  const [signal, spread] = [Math.sqrt(alpha), Math.sqrt(1 - alpha)];
  for (let i = 0; i < into.length; i++) into[i] = signal * latent[i] + spread * noise[i];
}
