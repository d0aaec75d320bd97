/** @file Sinusoidal embedding of timesteps. Reference: diffusers, models/embeddings.py, get_timestep_embedding. */
import { concat, constant, cos, mul, reshape, sin, type Tensor } from '@sgool/autodiff';

const MAX_PERIOD = 10_000;

/** Conventions of a timestep embedding. */
export interface TimestepEmbeddingOptions {
  /** Cosines before sines. */
  readonly flipSinToCos: boolean;
  /** Subtracted from the divisor of the exponents. */
  readonly freqShift: number;
}

/**
 * Sines and cosines of the timestep at `width / 2` frequencies, from 1 down to about 1 / 10000.
 *
 * The frequencies are rounded to float32 after each step, as torch does: a timestep near 1000 magnifies a rounding
 * error of the highest frequency a thousand times.
 *
 * @param timestep [batch]
 * @param width even
 * @returns [batch, width]
 */
export function timestepEmbedding(
  timestep: Tensor,
  width: number,
  { flipSinToCos, freqShift }: TimestepEmbeddingOptions,
): Tensor {
  const half = width / 2;
  const scale = Math.fround(-Math.log(MAX_PERIOD));
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(scale * i) / (half - freqShift))),
  );
  const angles = mul(
    reshape(timestep, [timestep.size, 1]),
    constant({ dtype: 'float32', shape: [1, half], data: frequencies }),
  );
  return concat(flipSinToCos ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)], 1);
}
