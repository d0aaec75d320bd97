/**
 * @file The vector that modulates every block: timestep, pooled prompt and, where guidance is distilled, its scale.
 *
 * Reference: diffusers, models/embeddings.py (CombinedTimestepTextProjEmbeddings, CombinedTimestepGuidanceTextProjEmbeddings).
 */
import { add, scoped, silu, type Tensor, type Weights } from '@sgool/autodiff';
import { linearLayer } from '../layers.ts';
import { timestepEmbedding } from '../unet/timestep-embedding.ts';

/** Width of the sinusoids. */
const SINUSOIDS = 256;

export interface ConditionInputs {
  /** [batch], 1000 times sigma */
  readonly timestep: Tensor;
  /** Pooled embeddings of the prompt, [batch, pooledWidth]. */
  readonly pooled: Tensor;
  /** [batch], 1000 times the guidance scale, for networks that have a guidance embedding. */
  readonly guidance?: Tensor;
}

/** @returns [batch, width] */
export function conditionVector(
  weights: Weights,
  { timestep, pooled, guidance }: ConditionInputs,
  width: number,
): Tensor {
  const own = scoped(weights, 'time_text_embed');
  const perceptron = (name: string, x: Tensor) =>
    linearLayer(own, `${name}.linear_2`, silu(linearLayer(own, `${name}.linear_1`, x, width)), width);
  const sinusoids = (x: Tensor) => timestepEmbedding(x, SINUSOIDS, { flipSinToCos: true, freqShift: 0 });
  const time = perceptron('timestep_embedder', sinusoids(timestep));
  const text = perceptron('text_embedder', pooled);
  const both = add(time, text);
  return guidance ? add(both, perceptron('guidance_embedder', sinusoids(guidance))) : both;
}
