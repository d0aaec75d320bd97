/** @file Floating-point operations that a UNet's forward run and its pullback cannot do without. */
import { type Graph, graphCost, type Tensor } from '@sgool/autodiff';
import { loadPipeline } from 'sgool';
import { DryRunPrograms } from '../packages/sgool/src/runtime/dry-run.ts';
import type { Work } from './work.ts';

export interface UsefulFlops {
  readonly forward: number;
  /** Forward run and gradient with respect to the latent, nothing computed twice. */
  readonly pullback: number;
}

/** Keeps the traced graphs; nothing is compiled. */
class Graphs extends DryRunPrograms {
  readonly graphs = new Map<string, Graph>();

  override get(key: string, build: () => Graph) {
    return super.get(key, () => {
      const graph = build();
      this.graphs.set(key, graph);
      return graph;
    });
  }
}

/** Counts both for the guided UNet of a work. */
export async function modelFlops({ folder, prompt, guidanceScale, pixels }: Work): Promise<UsefulFlops> {
  let programs: Graphs | undefined;
  const pipeline = await loadPipeline(folder, { programs: (options) => (programs = new Graphs(options)) });
  const denoiser = await pipeline.denoiser({ prompt, guidanceScale, width: pixels, height: pixels });
  const size = denoiser.latentShape.reduce((product, length) => product * length, 1);
  await denoiser.predict(new Float64Array(size), 500);
  const [key, unet] = [...programs!.graphs].find(([name]) => name.startsWith('unet '))!;
  // Two prompts at once, or one after the other.
  const runs = programs!.counts.run.get(key)!;
  await pipeline.dispose();
  const { forward, pullback } = countUseful(unet, 'latent');
  return { forward: runs * forward, pullback: runs * pullback };
}

/**
 * The pullback does what depends on `input` forward and again backward, with one operand a constant; a product of two
 * values that both depend on it (attention) takes twice as much backward; what does not depend on it has no way back.
 */
export function countUseful(graph: Graph, input: string): UsefulFlops {
  const depending = new Set<Tensor>([graph.inputs.get(input)!]);
  const others = new Map<string, Tensor>();
  let twice = 0;
  for (const { op, inputs, outputs } of graph.trace.nodes) {
    const operands = inputs.filter((t) => t !== null);
    if (!operands.some((t) => depending.has(t))) continue;
    for (const t of outputs) depending.add(t);
    for (const t of operands) if (!depending.has(t) && !graph.trace.folded.has(t)) others.set(`${t.id}`, t);
    const [a, b] = operands;
    if (!b || !depending.has(a) || !depending.has(b)) continue;
    if (op === 'MatMul') twice += 2 * outputs[0].size * a.shape.at(-1)!;
    if (op === 'MultiHeadAttention') twice += 4 * a.size * b.shape[1];
  }
  const forward = graphCost(graph).flops;
  const independent = graphCost({ ...graph, outputs: others }).flops;
  return { forward, pullback: forward + (forward - independent) + twice };
}
