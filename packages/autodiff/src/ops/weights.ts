/** @file How layers get their weights: by name and shape, whether these are frozen constants or trained parameters. */
import { type Shape, sameShape, show } from '../graph/shape.ts';
import { type ConstantSource, constant, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';

/** The weights of the network that is being traced. */
export interface Weights {
  /**
   * The weight called `name`, in float32.
   *
   * @throws where it is missing or has another shape
   */
  get(name: string, shape: Shape): Tensor;
  /** Whether there is a weight called `name`. */
  has(name: string): boolean;
}

/** The weights whose names start with `prefix.`, under the rest of their names. */
export function scoped(weights: Weights, prefix: string): Weights {
  return {
    get: (name, shape) => weights.get(`${prefix}.${name}`, shape),
    has: (name) => weights.has(`${prefix}.${name}`),
  };
}

/**
 * Frozen weights, which become constants of the program. float16 and bfloat16 are cast to float32 where they are used.
 *
 * @param sources name to numbers
 * @param owner what errors call the source, e.g. the file
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
