/**
 * @file Dry run: programs that are traced and counted but not executed; their outputs are meaningless numbers.
 *
 * A method on them calls the same programs in the same order as in a real run, so the cost of a run is known for every method and
 * sampler without a formula for each.
 */
import {
  type Graph,
  type GraphCost,
  graphCost,
  isResident,
  type Precision,
  type Tensor,
  type TypedArray,
} from '@sgool/autodiff';
import { sum } from '../numbers.ts';
import { deviceBytes, isLarge, ProgramCache, type Runnable } from './program-cache.ts';

/** How often each program was compiled and run, by key. */
export interface DryRunCounts {
  readonly compiled: ReadonlyMap<string, number>;
  readonly run: ReadonlyMap<string, number>;
  /** Bytes that the runs of each program copy to a card and back. What never changes stays there, on WebGPU. */
  readonly copiedBytes: ReadonlyMap<string, number>;
}

/** A program cache that compiles and runs nothing, and counts both. */
export class DryRunPrograms extends ProgramCache {
  override readonly computes = false;
  readonly costs = new Map<string, GraphCost>();
  private readonly compilations = new Map<string, number>();
  private readonly executions = new Map<string, number>();
  private readonly runnables = new Map<string, Runnable>();
  private readonly copies = new Map<string, number>();
  /** Arrays that a card has. */
  private readonly residents = new WeakSet<TypedArray>();
  /** Programs that would be in memory now. */
  private readonly present = new Set<string>();

  /**
   * Most bytes of the device's memory that all programs hold at once. On the CPU `mappedBytes` of these are weights in mapped files, each
   * counted once; a card has none.
   */
  peak = { bytes: 0, mappedBytes: 0 };

  get counts(): DryRunCounts {
    return {
      compiled: new Map(this.compilations),
      run: new Map(this.executions),
      copiedBytes: new Map(this.copies),
    };
  }

  override async get(
    key: string,
    build: () => Graph,
    _precision?: Precision,
    layout = this.options.layout,
  ): Promise<Runnable> {
    let runnable = this.runnables.get(key);
    if (!runnable) {
      const graph = build();
      this.costs.set(key, graphCost(graph, layout, this.winograd));
      const outputs = [...graph.outputs].map(([name, tensor]) => [name, placeholder(tensor)] as const);
      runnable = {
        run: async (inputs) => {
          this.enter(key);
          count(this.executions, key);
          this.copy(key, [...Object.values<TypedArray>(inputs), ...outputs.map(([, values]) => values)]);
          this.count(key, this.costOf(key).flops);
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

  /** The cost of a program that was traced. */
  costOf(key: string): GraphCost {
    const cost = this.costs.get(key);
    if (!cost)
      throw new RangeError(`dry run: no program ${key}; there are ${[...this.costs.keys()].join(', ')}`);
    return cost;
  }

  /** Notes what a run copies, its inputs and outputs. */
  private copy(key: string, arrays: readonly TypedArray[]): void {
    const { device = 'cpu' } = this.options;
    if (device === 'cpu') return;
    const moved = arrays.filter((array) => !this.residents.has(array));
    if (device === 'webgpu') for (const array of moved) if (isResident(array)) this.residents.add(array);
    count(this.copies, key, sum(moved.map(({ byteLength }) => byteLength)));
  }

  private enter(key: string): void {
    const { device = 'cpu' } = this.options;
    const cost = this.costOf(key);
    if (isLarge(cost)) {
      for (const evicted of this.budget.enter(key, deviceBytes(cost, device))) this.present.delete(evicted);
    }
    if (this.present.has(key)) return;
    count(this.compilations, key);
    this.present.add(key);
    const costs = [...this.present].map((each) => this.costOf(each));
    const isMapped = device === 'cpu';
    const mappedBytes = isMapped ? sum(new Map(costs.flatMap(({ mapped }) => [...mapped])).values()) : 0;
    const bytes = mappedBytes + sum(costs.map((one) => deviceBytes(one, device)));
    if (bytes > this.peak.bytes) this.peak = { bytes, mappedBytes };
  }
}

/** Distinct numbers in (0, 1): a norm of zero or a flat image would end some methods early. */
function placeholder({ size, dtype }: Tensor): TypedArray {
  if (dtype !== 'float32') throw new TypeError(`dry run: outputs must be float32, got ${dtype}`);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = ((Math.imul(i + 1, 0x9e3779b1) >>> 8) + 0.5) / 2 ** 24;
  return values;
}

function count(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
