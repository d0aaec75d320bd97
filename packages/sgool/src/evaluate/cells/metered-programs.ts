/** @file Programs that count the floating-point operations that they execute. */
import { type Graph, graphCost } from '@sgool/autodiff';
import { sum } from '../../numbers.ts';
import { ProgramCache, type Runnable } from '../../runtime/program-cache.ts';

/** Programs of the CLIP that only reports: no method needs it. */
const REPORTING = 'clip_b ';

/** Whether the operations of a program, by its key, are part of what a method costs. */
function isMetered(key: string): boolean {
  return !key.startsWith(REPORTING);
}

/** What a method costs, as records count it, by the operations of each of its programs. */
export function meteredWork(operations: ReadonlyMap<string, number>): number {
  return sum([...operations].map(([key, count]) => (isMetered(key) ? count : 0)));
}

/**
 * A program cache that counts what its programs execute: every network of a method, forward and backward, recomputation
 * included. The reporting CLIP is left out.
 */
export class MeteredPrograms extends ProgramCache {
  /** Floating-point operations since the start. */
  flops = 0;
  /** Seconds since the start in which a program was being made. A method does not cost them: they are spent once a run. */
  get compileSeconds(): number {
    return (this.#compiledMs + (this.#compiling > 0 ? performance.now() - this.#compileStart : 0)) / 1000;
  }
  #compiledMs = 0;
  #compiling = 0;
  #compileStart = 0;
  readonly #costs = new Map<string, number>();

  override async get(key: string, build: () => Graph, precision = this.options.precision): Promise<Runnable> {
    const runnable = await this.#timed(() =>
      super.get(
        key,
        () => {
          const graph = build();
          this.#costs.set(key, graphCost(graph, this.options.layout).flops);
          return graph;
        },
        precision,
      ),
    );
    return {
      run: (...inputs) => {
        if (isMetered(key)) this.flops += this.#costs.get(key) ?? 0;
        return runnable.run(...inputs);
      },
    };
  }

  /** Programs may be made at once: time in which several are counts once. */
  async #timed<T>(make: () => Promise<T>): Promise<T> {
    if (this.#compiling++ === 0) this.#compileStart = performance.now();
    try {
      return await make();
    } finally {
      if (--this.#compiling === 0) this.#compiledMs += performance.now() - this.#compileStart;
    }
  }
}
