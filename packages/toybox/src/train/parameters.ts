/** @file Trained weights as one flat vector for the optimiser, and as named tensors for the network. */

import { input, reshape, type Shape, sizeOf, split, type Tensor, type Weights } from '@sgool/autodiff';
import { type BatchGenerator, normal } from './batch-generator.ts';

/** The place of a weight in the flat vector. */
export interface ParameterSlot {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
  readonly size: number;
}

/** Consecutive weights of one shape, each read as a matrix with one row for each output. */
export interface MatrixStack {
  readonly offset: number;
  readonly size: number;
  readonly shape: readonly [count: number, rows: number, columns: number];
}

/** Names, shapes and places of all trained weights of a stage. */
export class ParameterLayout {
  readonly slots: readonly ParameterSlot[];
  readonly total: number;
  /** The weights that are trained as matrices; they come first in the flat vector. */
  readonly stacks: readonly MatrixStack[];

  constructor(
    shapes: ReadonlyMap<string, Shape>,
    asMatrix: (name: string, shape: Shape) => boolean = () => false,
  ) {
    const groups = new Map<string, { name: string; shape: Shape }[]>();
    const rest: { name: string; shape: Shape }[] = [];
    for (const [name, shape] of shapes) {
      const key = matrixOf(shape).join(' x ');
      if (!asMatrix(name, shape)) rest.push({ name, shape });
      else groups.set(key, [...(groups.get(key) ?? []), { name, shape }]);
    }
    let offset = 0;
    const placed = ({ name, shape }: { name: string; shape: Shape }): ParameterSlot => {
      const slot = { name, shape, offset, size: sizeOf(shape) };
      offset += slot.size;
      return slot;
    };
    const stacked = [...groups.values()].map((members) => members.map(placed));
    this.slots = [...stacked.flat(), ...rest.map(placed)];
    this.total = offset;
    this.stacks = stacked.map((slots) => {
      const { shape, size, offset: start } = slots[0];
      return { offset: start, size: slots.length * size, shape: [slots.length, ...matrixOf(shape)] as const };
    });
  }

  /** The weights as pieces of the flat tensor `parameters`, inside a trace. */
  weights(parameters: Tensor): Weights {
    const pieces = split(
      parameters,
      this.slots.map((slot) => slot.size),
      0,
    );
    const byName = new Map(this.slots.map((slot, i) => [slot.name, reshape(pieces[i], slot.shape)]));
    return {
      has: (name) => byName.has(name),
      get(name) {
        const tensor = byName.get(name);
        if (!tensor)
          throw new Error(`ParameterLayout: the network requested "${name}" in its second trace only`);
        return tensor;
      },
    };
  }

  /** Views (no copies) of the named weights in a flat array. */
  views(parameters: Float32Array): Map<string, { shape: Shape; data: Float32Array }> {
    return new Map(
      this.slots.map(({ name, shape, offset, size }) => [
        name,
        { shape, data: parameters.subarray(offset, offset + size) },
      ]),
    );
  }
}

function matrixOf(shape: Shape): readonly [rows: number, columns: number] {
  return [shape[0] ?? 1, sizeOf(shape.slice(1))];
}

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
