/** @file What a network sees in a frame of a clip, and the way back from it to the frame's latent: decoder, view and network as one program. */
import { clip as clamp, type Graph, gradient, type Tensor, trace } from '@sgool/autodiff';
import type { ImageSize } from '../image/image.ts';
import type { Backbone } from '../models/backbone.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';

/** The features of frames. */
export interface FrameFeatures {
  /**
   * The features of a frame.
   *
   * @param latent `[1, channels, height, width]`
   */
  of(latent: Float64Array): Promise<Float32Array>;
  /**
   * The vector-Jacobian product.
   *
   * @param cotangent of the features
   * @returns that of the latent
   */
  pullback(latent: Float64Array, cotangent: ArrayLike<number>): Promise<Float64Array>;
}

/** A network that sees frames. */
export interface FrameNetwork {
  /** Tells programs of other networks apart. */
  readonly key: string;
  /** Default: that of the programs. */
  readonly precision?: 'float32';
  /** `[1, 3, height, width]` in [0, 1] to features of any shape, inside a trace. */
  features(planes: Tensor): Tensor;
}

export interface FrameFeaturesParts {
  readonly programs: ProgramCache;
  readonly backbone: Pick<Backbone, 'latentShape' | 'decodedPlanes'>;
  /** Of the decoded frame. */
  readonly size: ImageSize;
  readonly network: FrameNetwork;
}

/** The features of frames of one size. The gradient of pixels below black or above white is zero. */
export function createFrameFeatures({
  programs,
  backbone,
  size,
  network,
}: FrameFeaturesParts): FrameFeatures {
  const shape = backbone.latentShape(size);
  const key = `${network.key} of frames ${shape.join('x')}`;
  const graph = (): Graph =>
    trace({ latent: { shape } }, ({ latent }) => ({
      features: network.features(clamp(backbone.decodedPlanes(latent), 0, 1)),
    }));
  return {
    async of(latent) {
      const program = await programs.get(key, graph, network.precision);
      return (await program.run({ latent: Float32Array.from(latent) })).features as Float32Array;
    },
    async pullback(latent, cotangent) {
      const program = await programs.get(
        `${key}, pullback`,
        () => gradient(graph(), { of: 'features', wrt: ['latent'], cotangents: 'cotangent' }),
        network.precision,
      );
      const given = { latent: Float32Array.from(latent), cotangent: Float32Array.from(cotangent) };
      return Float64Array.from((await program.run(given))['grad:latent'] as Float32Array);
    },
  };
}
