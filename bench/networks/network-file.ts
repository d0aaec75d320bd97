/** @file A network of a full-size model as a file: its configuration, and its tensors by the names that they are stored under. */
import { input, type Shape, type Tensor, trace, type Weights } from '@sgool/autodiff';

export type Precision = 'fp32' | 'fp16' | 'bf16';
/** `old` as the published float32 files of Stable Diffusion 1 have them, `new` as all later ones. */
export type Names = 'old' | 'new';

export interface NetworkFile {
  /** Its folder in the model. */
  readonly name: string;
  /** File name without variant and extension. */
  readonly stem: 'diffusion_pytorch_model' | 'model';
  readonly config: Readonly<Record<string, unknown>>;
  /** Names and shapes of the weights that the network computes with, in new names. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Lengths of constant buffers 0, 1, 2, ... that the files carry. */
  readonly positionIds?: ReadonlyMap<string, number>;
  /** Bytes of the published file, where it is known. */
  readonly published?: Partial<Readonly<Record<Precision, number>>>;
  /** The only precision in which it is published, where it comes beside models of another. */
  readonly only?: Precision;
}

/** A model of full size: its networks, and the other files of its folder. */
export interface FullSizeModel {
  readonly files: readonly NetworkFile[];
  /** Contents of its JSON files, by their place in the folder. */
  readonly documents: Readonly<Record<string, object>>;
  /** Folders of tokenizers, with whose pieces each is written. */
  readonly tokenizers: Readonly<Record<string, 'clip' | 't5'>>;
  /** The precision that it is published in. */
  readonly precision: Precision;
}

/** Names and shapes of the weights that a network requests while it is traced. */
export function shapesOf(build: (weights: Weights) => void): Map<string, Shape> {
  const requested = new Map<string, Tensor>();
  trace({}, () => {
    build(anyWeights('weight', requested));
    return {};
  });
  return new Map([...requested].map(([name, { shape }]) => [name, shape]));
}

/** Weights that are whatever a network asks for. */
export function anyWeights(label: string, requested = new Map<string, Tensor>()): Weights {
  return {
    has: () => false,
    get(name, shape) {
      const tensor = requested.get(name) ?? input(`${label} ${name}`, shape);
      requested.set(name, tensor);
      return tensor;
    },
  };
}
