/** @file The passes that a graph goes through before it is written as an ONNX model, in order. */
import type { Graph } from '../graph/trace.ts';
import { dropDeadCode } from './dead-code.ts';
import { useHalfPrecision } from './half-precision.ts';
import { scaleLoss } from './loss-scaling.ts';
import { lowerForCpu } from './lower-cpu.ts';
import { lowerForGpu } from './lower-gpu.ts';
import type { NodeGraph, Pass, Target } from './target.ts';
import { useWinograd } from './winograd.ts';

/** Each pass decides whether it applies to the target. A new pass is one more line here. */
const PASSES: readonly Pass[] = [
  dropDeadCode,
  lowerForCpu,
  useWinograd,
  lowerForGpu,
  scaleLoss,
  useHalfPrecision,
  dropDeadCode,
];

/** The program in nodes that the device has and computes fast, in the wanted precision. */
export function runPasses(graph: Graph, target: Target): NodeGraph {
  const traced: NodeGraph = { ...graph, nodes: graph.trace.nodes };
  return PASSES.reduce((program, pass) => pass(program, target), traced);
}
