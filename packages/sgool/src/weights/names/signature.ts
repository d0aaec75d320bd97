/** @file How a kind of file is told from others: by the names and shapes of its tensors. */
import type { TensorFile } from '../formats/weight-source.ts';

/** Where a file is given. */
export type Door =
  | 'model'
  | 'lora'
  | 'embedding'
  | 'clip'
  | 'vae'
  | 'unet'
  | 'transformer'
  | 'text_encoder'
  | 'motion';

/** A kind of file. */
export interface Signature {
  /** What the file is. */
  readonly what: string;
  /** What would work. */
  readonly works: string;
  /** Where it is read. */
  readonly doors?: readonly Door[];
  is(file: Names): boolean;
}

/** Names and shapes of a file. */
export class Names {
  readonly names: readonly string[];
  private readonly file: Pick<TensorFile, 'tensors'>;

  constructor(file: Pick<TensorFile, 'tensors'>) {
    this.file = file;
    this.names = [...file.tensors.keys()];
  }

  has(pattern: RegExp): boolean {
    return this.names.some((name) => pattern.test(name));
  }

  all(pattern: RegExp): boolean {
    return this.names.every((name) => pattern.test(name));
  }

  /** The shape of the first tensor whose name fits. */
  shape(pattern: RegExp): readonly number[] | undefined {
    const name = this.names.find((each) => pattern.test(each));
    return name === undefined ? undefined : this.file.tensors.get(name)?.shape;
  }

  shapes(): (readonly number[])[] {
    return [...this.file.tensors.values()].map(({ shape }) => shape);
  }
}
