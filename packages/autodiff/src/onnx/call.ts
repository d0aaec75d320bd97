/** @file One node of an imported model, for the rule that imports it: operands, attributes, and errors that name the node. */
import { show } from '../graph/shape.ts';
import { constant, Tensor } from '../graph/trace.ts';
import { cast } from '../ops/arithmetic.ts';
import type { ModelAttribute, ModelNode, StoredTensor } from './decode.ts';
import { quoted } from './limits.ts';

/** An error that names the node already. */
export class ImportError extends Error {}

/** Numbers that are known while importing: initializers, and results of shape arithmetic. */
export type Known = Extract<StoredTensor, { data: unknown }>;
export type Value = Tensor | Known;

export class Call {
  readonly node: ModelNode;
  readonly opset: number;
  private readonly values: readonly (Value | undefined)[];

  constructor(node: ModelNode, values: readonly (Value | undefined)[], opset: number) {
    this.node = node;
    this.values = values;
    this.opset = opset;
  }

  fail(message: string): never {
    const { op, name, outputs } = this.node;
    throw new ImportError(
      `importOnnx: ${quoted(op).slice(1, -1)} ${quoted(name || (outputs[0] ?? ''))}: ${message}`,
    );
  }

  get count(): number {
    return this.values.length;
  }

  has(index: number): boolean {
    return this.values[index] !== undefined;
  }

  value(index: number): Value {
    return this.values[index] ?? this.fail(`operand ${index} is missing`);
  }

  /** An operand as a tensor; known numbers become constants, float16 is cast to float32. */
  tensor(index: number): Tensor {
    const value = this.value(index);
    const tensor = value instanceof Tensor ? value : constant(value);
    return tensor.dtype === 'float16' ? cast(tensor, 'float32') : tensor;
  }

  optional(index: number): Tensor | undefined {
    return this.has(index) ? this.tensor(index) : undefined;
  }

  /** All operands as tensors. */
  tensors(): Tensor[] {
    return this.values.map((_, i) => this.tensor(i));
  }

  /** An operand that must be known while importing: a shape, axes, bounds. */
  numbers(index: number): number[] {
    const value = this.value(index);
    if (value instanceof Tensor) {
      this.fail(`operand ${index} ${value} depends on the inputs' numbers; it must follow from their shapes`);
    }
    return numbersOf(value);
  }

  /** The shape of an operand. */
  shape(index: number): readonly number[] {
    return this.value(index).shape;
  }

  private attribute(name: string): ModelAttribute | undefined {
    return this.node.attributes.get(name);
  }

  number(name: string, fallback?: number): number {
    const value = this.attribute(name) ?? fallback;
    return typeof value === 'number' ? value : this.fail(`attribute ${name} must be a number`);
  }

  text(name: string, fallback: string): string {
    const value = this.attribute(name) ?? fallback;
    return typeof value === 'string' ? value : this.fail(`attribute ${name} must be a string`);
  }

  list(name: string): number[] | undefined {
    const value = this.attribute(name);
    if (value === undefined) return undefined;
    const sound = Array.isArray(value) && value.every((item) => typeof item === 'number');
    return sound ? [...(value as number[])] : this.fail(`attribute ${name} must be a list of numbers`);
  }

  stored(name: string): StoredTensor | undefined {
    const value = this.attribute(name);
    return typeof value === 'object' && 'dtype' in value ? value : undefined;
  }

  /** Throws unless an attribute is absent or has one of the allowed values. */
  require(name: string, ...allowed: (number | string)[]): void {
    const value = this.attribute(name);
    if (value !== undefined && !allowed.includes(value as number | string)) {
      this.fail(`${name} ${JSON.stringify(value)} is not supported, only ${allowed.join(' or ')}`);
    }
  }

  /** The number that all entries of an attribute have in common. */
  same(name: string, fallback: number): number {
    const values = this.list(name) ?? [fallback];
    if (values.some((v) => v !== values[0])) {
      this.fail(
        `${name} ${show(values)} are not equal; different ones for height and width are not supported`,
      );
    }
    return values[0] ?? fallback;
  }
}

export function numbersOf(known: Known): number[] {
  return Array.from(known.data as ArrayLike<number | bigint>, Number);
}
