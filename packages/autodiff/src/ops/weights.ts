/** @file How layers ask for their weights: by name and shape, whether they are frozen constants or trained parameters. */

import { type Shape, sameShape, show } from '../graph/shape.ts';
import { type ConstantSource, constant, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';

/** A source of weight tensors for the network that is being traced. */
export interface Weights {
  /** The weight called `name`; throws where it is missing or of another shape. */
  get(name: string, shape: Shape): Tensor;
  has(name: string): boolean;
}

/** The weights below `prefix` (`prefix.name`). */
export function scoped(weights: Weights, prefix: string): Weights {
  return {
    get: (name, shape) => weights.get(`${prefix}.${name}`, shape),
    has: (name) => weights.has(`${prefix}.${name}`),
  };
}

/**
 * Frozen weights. float16 constants are cast to float32 where they are used.
 *
 * @param sources name to numbers
 * @param owner named in errors, e.g. the file
 */
export function frozen(sources: ReadonlyMap<string, ConstantSource>, owner: string): Weights {
  return {
    has: (name) => sources.has(name),
    get(name, shape) {
      const source = sources.get(name);
      if (!source) throw new Error(`${owner}: weight "${name}" ${show(shape)} is missing`);
      if (!sameShape(source.shape, shape)) {
        throw new Error(
          `${owner}: weight "${name}" has shape ${show(source.shape)}, the configuration asks for ${show(shape)}`,
        );
      }
      return cast(constant(source), 'float32');
    },
  };
}
