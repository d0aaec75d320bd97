/** @file What a program is compiled for, and what a pass is. */
import type { Graph, Node } from '../graph/trace.ts';

/** ONNX Runtime's execution providers that programs can be compiled for, the most capable first. */
export const DEVICES = ['cuda', 'webgpu', 'cpu'] as const;
/** A device that programs run on. */
export type Device = (typeof DEVICES)[number];

/**
 * How matrix products, convolutions and activations are computed. `tf32` is float32 whose products NVIDIA's cards may round to ten
 * bits of mantissa: faster there, and other pictures come out.
 */
export type Precision = 'float32' | 'tf32' | 'float16';

/**
 * How much ONNX Runtime may rearrange constant weights on the CPU: `fast` copies them into blocked layouts (best for small
 * models), `lean` leaves them in the mapped file (memory stays near the size of the weights).
 */
export type Layout = 'fast' | 'lean';

/** What a program is compiled for. */
export interface Target {
  readonly device: Device;
  readonly precision: Precision;
  /** Whether 3x3 convolutions may take more memory for fewer multiplications; see winograd.ts. Default false. */
  readonly winograd?: boolean;
}

/** A graph with the nodes that will be run, in order. The nodes of its trace stay as they were traced. */
export interface NodeGraph extends Graph {
  readonly nodes: readonly Node[];
}

/** Rewrites a program for a target; returns it unchanged if the pass does not apply to the target. */
export type Pass = (graph: NodeGraph, target: Target) => NodeGraph;
