/** @file Start values and decay of trained weights, and the names that a network requests. */

import { input, type ParameterLayout, type Shape, sizeOf, type Tensor, type Weights } from '@sgool/autodiff';
import { type BatchGenerator, normal } from './batch-generator.ts';

/** Weights that record the names and shapes that a network requests in a first trace. */
export function recordingWeights(into: Map<string, Shape>): Weights {
  const inputs = new Map<string, Tensor>();
  return {
    has: () => true,
    get(name, shape) {
      let tensor = inputs.get(name);
      if (!tensor) {
        tensor = input(`weight:${name}`, shape);
        inputs.set(name, tensor);
        into.set(name, [...shape]);
      }
      return tensor;
    },
  };
}

/** A start value for one weight, or undefined to leave it to the default rule. */
export type Initialiser = (
  name: string,
  shape: Shape,
  generator: BatchGenerator,
) => number | Float32Array | undefined;

/**
 * Start values. Unless `special` says otherwise: 1 for the gains of norms, 0 for biases, N(0, 0.02) for embeddings,
 * and U(-b, b) with b = 1 / sqrt(inputs of a unit) for matrices and kernels, as in torch's layers.
 */
export function initialise(
  layout: ParameterLayout,
  generator: BatchGenerator,
  special: Initialiser = () => undefined,
): Float32Array {
  const flat = new Float32Array(layout.total);
  for (const { name, shape, offset, size } of layout.slots) {
    const data = flat.subarray(offset, offset + size);
    const chosen = special(name, shape, generator);
    if (chosen instanceof Float32Array) data.set(chosen);
    else if (chosen !== undefined) data.fill(chosen);
    else if (/embedding/.test(name) && !/patch_embedding/.test(name))
      for (let i = 0; i < size; i++) data[i] = 0.02 * normal(generator);
    else if (shape.length <= 1) data.fill(name.endsWith('weight') ? 1 : 0);
    else {
      const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
      for (let i = 0; i < size; i++) data[i] = (2 * generator() - 1) * bound;
    }
  }
  return flat;
}

/** 1 where weight decay applies (matrices and kernels), 0 elsewhere. */
export function decayMask(layout: ParameterLayout): Float32Array {
  const mask = new Float32Array(layout.total);
  for (const { name, shape, offset, size } of layout.slots) {
    if (shape.length > 1 && !/embedding/.test(name)) mask.fill(1, offset, offset + size);
  }
  return mask;
}
