/** @file Trained weights as one flat vector for the optimiser, and as named tensors for the network. */
import { type Shape, sizeOf } from '../graph/shape.ts';
import type { Tensor } from '../graph/trace.ts';
import { reshape } from './core.ts';
import { split } from './shape.ts';
import type { Weights } from './weights.ts';

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

/** Names, shapes and places of all trained weights. */
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

  /**
   * The weights as pieces of the flat tensor `parameters`, inside a trace.
   *
   * @returns weights whose `get` throws for a name that is not among them
   */
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
