/**
 * @file Programs that compute nothing: they are traced and counted, and give numbers without meaning.
 *
 * A method that runs on them does everything it does in earnest, in the same order, so that what a run will cost is known for
 * every method and sampler without a formula for each.
 */
import { type Graph, type GraphCost, graphCost, type Tensor, type TypedArray } from '@sgool/autodiff';
import { heapBytes, isLarge, ProgramCache, type Runnable } from './program-cache.ts';

/** How often each program was compiled and run. */
export interface DryRunCounts {
  readonly compiled: ReadonlyMap<string, number>;
  readonly run: ReadonlyMap<string, number>;
}

export class DryRunPrograms extends ProgramCache {
  readonly costs = new Map<string, GraphCost>();
  private readonly compilations = new Map<string, number>();
  private readonly executions = new Map<string, number>();
  private readonly runnables = new Map<string, Runnable>();
  /** Programs that would be in memory now. */
  private readonly present = new Set<string>();

  /** Most bytes at once of all programs, and what of it is weights in mapped files: each counts once. */
  peak = { bytes: 0, mappedBytes: 0 };

  get counts(): DryRunCounts {
    return { compiled: new Map(this.compilations), run: new Map(this.executions) };
  }

  override async get(key: string, build: () => Graph): Promise<Runnable> {
    let runnable = this.runnables.get(key);
    if (!runnable) {
      const graph = build();
      this.costs.set(key, graphCost(graph, this.options.layout));
      const outputs = [...graph.outputs].map(([name, tensor]) => [name, placeholder(tensor)] as const);
      runnable = {
        run: async () => {
          this.enter(key);
          count(this.executions, key);
          return Object.fromEntries(outputs.map(([name, values]) => [name, values.slice()]));
        },
      };
      this.runnables.set(key, runnable);
    }
    this.enter(key);
    return runnable;
  }

  override async release(prefix: string): Promise<void> {
    if (this.options.layout !== 'lean') return;
    for (const key of [...this.present].filter((each) => each.startsWith(prefix))) {
      this.present.delete(key);
      this.budget.leave(key);
    }
  }

  override async dispose(): Promise<void> {
    this.runnables.clear();
  }

  private enter(key: string): void {
    const cost = this.costs.get(key)!;
    if (isLarge(cost)) for (const gone of this.budget.enter(key, heapBytes(cost))) this.present.delete(gone);
    if (this.present.has(key)) return;
    count(this.compilations, key);
    this.present.add(key);
    const costs = [...this.present].map((each) => this.costs.get(each)!);
    const mappedBytes = sum(new Map(costs.flatMap(({ mapped }) => [...mapped])).values());
    const bytes = mappedBytes + sum(costs.map(heapBytes));
    if (bytes > this.peak.bytes) this.peak = { bytes, mappedBytes };
  }
}

export const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

/** Numbers in (0, 1) that differ from each other: a norm of zero or a flat image would end some methods early. */
function placeholder({ size, dtype }: Tensor): TypedArray {
  if (dtype !== 'float32') throw new TypeError(`rehearsal: outputs must be float32, got ${dtype}`);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = ((Math.imul(i + 1, 0x9e3779b1) >>> 8) + 0.5) / 2 ** 24;
  return values;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
