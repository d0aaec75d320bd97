/** @file The values in a torch pickle: plain values, tensors, and names of classes that are not used. */

/** A class or function that a pickle names, such as `collections.OrderedDict`. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The numbers that a tensor is a view of: an entry of the archive, or a range of a legacy file. */
export class Storage {
  /** In safetensors' spelling; undefined for raw bytes, whose type is given by each tensor. */
  readonly dtype: string | undefined;
  readonly key: string;
  /** Elements, or bytes where there is no dtype. */
  readonly length: number;
  /** Elements before this view's first one, in a legacy file. */
  readonly offset: number;

  constructor(dtype: string | undefined, key: string, length: number, offset = 0) {
    this.dtype = dtype;
    this.key = key;
    this.length = length;
    this.offset = offset;
  }
}

/** A tensor as the pickle describes it; nothing is checked against the file yet. */
export class PickledTensor {
  readonly storage: Storage;
  readonly dtype: string;
  readonly offset: number;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];

  constructor(
    storage: Storage,
    dtype: string,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** An object that is kept without meaning: a numpy array, a device, a module of a TorchScript archive. */
export class PickledObject {
  readonly className: string;
  /** Arguments of its construction. */
  readonly args: readonly PickleValue[];
  /** State that the pickle sets afterwards. */
  state: PickleValue = null;

  constructor(className: string, args: readonly PickleValue[] = []) {
    this.className = className;
    this.args = args;
  }
}

/** Any value in a pickle. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | Global
  | Storage
  | PickledTensor
  | PickledObject;
