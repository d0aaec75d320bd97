/**
 * @file Programs that compute nothing: they are traced and counted, and give numbers without meaning.
 *
 * A method that runs on them does everything it does in earnest, in the same order, so that what a run will cost is known for
 * every method and sampler without a formula for each.
 */
import { type Graph, type GraphCost, graphCost, type Tensor, type TypedArray } from '@sgool/autodiff';
import { isLarge, ProgramCache, type Runnable } from './programs.ts';

/** How often each program was compiled and run. */
export interface RehearsalCounts {
  readonly compiled: ReadonlyMap<string, number>;
  readonly run: ReadonlyMap<string, number>;
}

export class RehearsedPrograms extends ProgramCache {
  readonly costs = new Map<string, GraphCost>();
  private readonly compilations = new Map<string, number>();
  private readonly executions = new Map<string, number>();
  private readonly runnables = new Map<string, Runnable>();
  /** The large program that would be in memory, where only one may be. */
  private present: string | undefined;

  /** Programs that are freed after use. */
  readonly released = new Set<string>();

  get counts(): RehearsalCounts {
    return { compiled: new Map(this.compilations), run: new Map(this.executions) };
  }

  override async get(key: string, build: () => Graph): Promise<Runnable> {
    let runnable = this.runnables.get(key);
    if (!runnable) {
      const graph = build();
      const cost = graphCost(graph, this.options.layout);
      const alone = this.options.memory === 'low' && isLarge(cost);
      this.costs.set(key, cost);
      if (!alone) count(this.compilations, key);
      const outputs = [...graph.outputs].map(([name, tensor]) => [name, placeholder(tensor)] as const);
      runnable = {
        run: async () => {
          if (alone && this.present !== key) count(this.compilations, (this.present = key));
          count(this.executions, key);
          return Object.fromEntries(outputs.map(([name, values]) => [name, values.slice()]));
        },
      };
      this.runnables.set(key, runnable);
    }
    return runnable;
  }

  override async release(prefix: string): Promise<void> {
    if (this.options.layout !== 'lean') return;
    for (const key of this.costs.keys()) if (key.startsWith(prefix)) this.released.add(key);
  }

  override async dispose(): Promise<void> {
    this.runnables.clear();
  }
}

/** Numbers in (0, 1) that differ from each other: a norm of zero or a flat picture would end some methods early. */
function placeholder({ size, dtype }: Tensor): TypedArray {
  if (dtype !== 'float32') throw new TypeError(`rehearsal: outputs must be float32, got ${dtype}`);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = ((Math.imul(i + 1, 0x9e3779b1) >>> 8) + 0.5) / 2 ** 24;
  return values;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
