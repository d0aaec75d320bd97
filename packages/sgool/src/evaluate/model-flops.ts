/**
 * @file Model FLOPs: the floating-point operations that a network's forward run and its pullback need, without recomputation.
 * Divided by time and by the peak of the machine they are the model FLOPs utilisation (MFU).
 *
 * Reference: Chowdhery et al. 2022, "PaLM: Scaling Language Modeling with Pathways", appendix B.
 */
import { type Graph, graphCost, sizeOf, type Tensor } from '@sgool/autodiff';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import { DryRunPrograms } from '../runtime/dry-run.ts';

/** Floating-point operations without recomputation. */
export interface ModelFlops {
  readonly forward: number;
  /** Forward run and gradient with respect to the input, nothing computed twice. */
  readonly pullback: number;
}

/** A dry run that keeps the traced graphs. */
class TracedPrograms extends DryRunPrograms {
  readonly graphs = new Map<string, Graph>();

  override get(key: string, build: () => Graph) {
    return super.get(key, () => {
      const graph = build();
      this.graphs.set(key, graph);
      return graph;
    });
  }
}

/** One guided evaluation: its prompt, its guidance and the size of the image. */
export interface GuidedCall {
  readonly prompt: string;
  readonly guidanceScale: number;
  /** Of the image, in pixels. */
  readonly width: number;
  readonly height: number;
}

/** Model FLOPs of one guided evaluation of a model's denoising network, with and without prompt. Nothing is executed. */
export async function networkModelFlops(folder: string, call: GuidedCall): Promise<ModelFlops> {
  const opened: TracedPrograms[] = [];
  const pipeline = await loadPipeline(folder, {
    programs: (options) => {
      const programs = new TracedPrograms(options);
      opened.push(programs);
      return programs;
    },
  });
  try {
    const denoiser = await pipeline.denoiser(call);
    await denoiser.predict(new Float64Array(sizeOf(denoiser.latentShape)), 500);
    for (const { graphs, counts } of opened) {
      for (const [key, graph] of graphs) {
        if (!graph.outputs.has('prediction')) continue;
        // The two prompts run as one batch, or one after the other.
        const runs = counts.run.get(key) ?? 0;
        const { forward, pullback } = countModelFlops(graph, 'latent');
        return { forward: runs * forward, pullback: runs * pullback };
      }
    }
    throw new Error(`networkModelFlops: ${folder} ran no network that denoises`);
  } finally {
    await pipeline.dispose();
  }
}

/**
 * Model FLOPs of a graph and of its pullback to one input.
 *
 * The pullback runs what depends on the input forward, and once more backward for each product with a constant operand; a
 * product of two operands that both depend on the input (attention) costs twice as much backward. What does not depend on the
 * input has no backward pass.
 */
export function countModelFlops(graph: Graph, input: string): ModelFlops {
  const latent = graph.inputs.get(input);
  if (!latent) throw new RangeError(`countModelFlops: the graph has no input "${input}"`);
  const depending = new Set<Tensor>([latent]);
  const others = new Map<string, Tensor>();
  let twice = 0;
  for (const { op, inputs, outputs } of graph.trace.nodes) {
    const operands = inputs.filter((t) => t !== null);
    if (!operands.some((t) => depending.has(t))) continue;
    for (const t of outputs) depending.add(t);
    for (const t of operands) if (!depending.has(t) && !graph.trace.folded.has(t)) others.set(`${t.id}`, t);
    const [a, b] = operands;
    if (!b || !depending.has(a) || !depending.has(b)) continue;
    if (op === 'MatMul') twice += 2 * outputs[0].size * a.shape[a.shape.length - 1];
    if (op === 'MultiHeadAttention') twice += 4 * a.size * b.shape[1];
  }
  const forward = graphCost(graph).flops;
  const independent = graphCost({ ...graph, outputs: others }).flops;
  return { forward, pullback: forward + (forward - independent) + twice };
}
