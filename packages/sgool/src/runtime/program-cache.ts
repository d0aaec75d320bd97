/** @file Compiled programs: made when first needed, kept as long as the memory budget allows. */
import {
  type CompileOptions,
  type Device,
  type Graph,
  type GraphCost,
  graphCost,
  type Layout,
  type Precision,
} from '@sgool/autodiff';
import { sum } from '../numbers.ts';
import { MemoryBudget } from './memory-budget.ts';
import { compileNetwork, type NetworkProgram } from './network-program.ts';

/** The part of a program that its users need. */
export type Runnable = Pick<NetworkProgram, 'run'>;

/** What the programs of a cache have cost since it was made. */
export interface ProgramMeter {
  /** Floating-point operations of all networks, forward and backward, recomputation included; not those of the CLIP that only reports. */
  readonly flops: number;
  /** Seconds in which a program was being made. They are spent once, whatever is run. */
  readonly compileSeconds: number;
  /** Forgets results of texts, so that what a run costs does not depend on the runs before it. */
  forgetResults(): void;
}

/** Programs of the CLIP that only reports: no method needs it. */
const REPORTING = 'clip_b ';

/** Whether the operations of a program, by its key, are part of what a method costs. */
const isMetered = (key: string): boolean => !key.startsWith(REPORTING);

/** What a method costs, as a cache counts it, by the operations of each of its programs. */
export function meteredWork(operations: ReadonlyMap<string, number>): number {
  return sum([...operations].map(([key, count]) => (isMetered(key) ? count : 0)));
}

/** How much memory compiled programs may hold, so that they need not be compiled again. */
export type Memory = 'auto' | 'plenty' | 'low';

/**
 * Bytes that large programs may hold together where nobody says how much memory there is. Of heap they are enough for all of Stable
 * Diffusion's at 256 pixels, and for sampling and its backward pass at 512.
 */
const USUAL_BUDGET = 5e9;
/** Of the memory of a card that is free when the model is opened: the rest is for what runs and for other programs. */
const SHARE_OF_CARD = 0.8;
/** Of the memory of a machine, which others use too. */
const SHARE_OF_MACHINE = 0.5;

/**
 * Bytes that large programs may hold together. With 0 there is one at a time.
 *
 * @param free bytes that are free on the device, where its driver says so
 */
export function programBudget(memory: Memory, device: Device, free?: number): number {
  if (memory === 'plenty') return Number.POSITIVE_INFINITY;
  if (memory === 'low') return 0;
  if (free === undefined) return USUAL_BUDGET;
  return device === 'cpu' ? Math.min(USUAL_BUDGET, SHARE_OF_MACHINE * free) : SHARE_OF_CARD * free;
}

/** How programs are compiled, and how many of them may be kept. */
export interface ProgramOptions extends CompileOptions {
  /** Default `auto`. */
  readonly memory?: Memory;
  /** Bytes that are free on the device, where it says so. */
  readonly freeMemory?: number;
}

/** What a program may have for itself. */
interface ProgramKind {
  readonly precision: Precision | undefined;
  readonly layout: Layout | undefined;
}

/** Memory that the runtime keeps, over the activations alive at once in the order of tracing; measured (docs/LOG.md). */
const ARENA_FACTOR = 1.9;
const BYTES_PER_NODE = 15e3;

/** Bytes that a compiled program adds to the heap; weights in mapped files are not among them. */
export function heapBytes({ nodes, activationBytes, copiedBytes }: GraphCost): number {
  return nodes * BYTES_PER_NODE + ARENA_FACTOR * activationBytes + copiedBytes;
}

/** Bytes that a compiled program adds to the memory of its device: a card gets a copy of the weights for each program. */
export function deviceBytes(cost: GraphCost, device: Device): number {
  return heapBytes(cost) + (device === 'cpu' ? 0 : sum(cost.mapped.values()));
}

/** From this size on a program is worth freeing. */
export const LARGE_PROGRAM_BYTES = 64e6;

/** Whether a program is large, with its heap and the mapped weights that it keeps in memory. */
export function isLarge(cost: GraphCost): boolean {
  return heapBytes(cost) + sum(cost.mapped.values()) >= LARGE_PROGRAM_BYTES;
}

interface Compiled {
  readonly program: NetworkProgram;
  readonly flops: number;
  /** Heap of a large program; undefined for the others, which always stay. */
  readonly bytes: number | undefined;
  /** Its runs that are in progress. */
  readonly running: Set<Promise<unknown>>;
}

/** Compiles programs on first use and keeps them by key, within the memory budget. Counts what they cost. */
export class ProgramCache implements ProgramMeter {
  flops = 0;
  get compileSeconds(): number {
    return (this.#compiledMs + (this.#compiling > 0 ? performance.now() - this.#compileStart : 0)) / 1000;
  }
  #compiledMs = 0;
  #compiling = 0;
  #compileStart = 0;
  readonly options: ProgramOptions;
  /** Whether programs are run; a dry run only counts them. */
  readonly computes: boolean = true;
  /** Whether memory is spent on faster convolutions. */
  protected readonly winograd: boolean;
  private readonly programs = new Map<string, Promise<Compiled>>();
  protected readonly budget: MemoryBudget;
  private disposed = false;
  private readonly remembered = new Map<string, Map<string, Promise<unknown>>>();

  constructor(options: ProgramOptions) {
    this.options = options;
    const { memory = 'auto', device = 'cpu', precision = 'float32', freeMemory } = options;
    this.budget = new MemoryBudget(programBudget(memory, device, freeMemory));
    this.winograd = memory === 'plenty' && device === 'cpu' && precision === 'float32';
  }

  /**
   * The program called `key`; `build` traces it the first time. Everything that shapes the graph (sizes, options) must be part
   * of the key.
   *
   * @param precision if other than that of the other programs
   * @param layout if other than that of the other programs
   */
  async get(
    key: string,
    build: () => Graph,
    precision = this.options.precision,
    layout = this.options.layout,
  ): Promise<Runnable> {
    const make = () => this.compiled(key, build, { precision, layout });
    await make();
    return {
      run: async (...inputs) => {
        for (;;) {
          const compiled = make();
          const { program, running, bytes, flops } = await compiled;
          if (bytes !== undefined) await this.fitBudget(key, bytes);
          // Meanwhile it may have been evicted for another.
          if (this.programs.get(key) !== compiled) continue;
          this.count(key, flops);
          const run = program.run(...inputs);
          running.add(run);
          return run.finally(() => running.delete(run));
        }
      },
    };
  }

  /**
   * Results of a network that need not be computed again, by their input: of the same texts.
   *
   * @param network the same map each time for the same name, whose results are of one type
   */
  resultsOf<Result>(network: string): Map<string, Promise<Result>> {
    const found = this.remembered.get(network) ?? new Map<string, Promise<unknown>>();
    this.remembered.set(network, found);
    return found as Map<string, Promise<Result>>;
  }

  forgetResults(): void {
    for (const results of this.remembered.values()) results.clear();
  }

  /**
   * Frees the programs whose keys begin with `prefix`, where programs are large enough to matter (layout `lean`). When they are
   * needed again, they are compiled again.
   */
  async release(prefix: string): Promise<void> {
    if (this.options.layout === 'lean') await this.free((key) => key.startsWith(prefix));
  }

  private compiled(key: string, build: () => Graph, how: ProgramKind): Promise<Compiled> {
    if (this.disposed) throw new Error('pipeline: it was disposed');
    let compiled = this.programs.get(key);
    if (!compiled) {
      compiled = this.timed(() => this.compile(key, build, how));
      this.programs.set(key, compiled);
      compiled.catch(() => this.programs.delete(key));
    }
    return compiled;
  }

  private async compile(key: string, build: () => Graph, how: ProgramKind): Promise<Compiled> {
    const { memory: _, freeMemory: __, ...options } = { ...this.options, ...how, winograd: this.winograd };
    // Later, so that what tracing throws becomes a rejection after the program is noted.
    await undefined;
    const graph = build();
    const cost = graphCost(graph, options.layout, this.winograd);
    const bytes = isLarge(cost) ? deviceBytes(cost, options.device ?? 'cpu') : undefined;
    if (bytes !== undefined) await this.fitBudget(key, bytes);
    const program = await compileNetwork(key, graph, options);
    return { program, bytes, flops: cost.flops, running: new Set() };
  }

  /** Counts one run of a program. */
  protected count(key: string, flops: number): void {
    if (isMetered(key)) this.flops += flops;
  }

  /** Programs may be made at once: time in which several are counts once. */
  private async timed<T>(make: () => Promise<T>): Promise<T> {
    if (this.#compiling++ === 0) this.#compileStart = performance.now();
    try {
      return await make();
    } finally {
      if (--this.#compiling === 0) this.#compiledMs += performance.now() - this.#compileStart;
    }
  }

  /** Notes the use of a program, and frees those that do not fit beside it. */
  private async fitBudget(key: string, bytes: number): Promise<void> {
    const evicted = new Set(this.budget.enter(key, bytes));
    if (evicted.size > 0) await this.free((other) => evicted.has(other));
  }

  private async free(which: (key: string) => boolean): Promise<void> {
    for (const [key, compiled] of [...this.programs]) {
      // The one that others are evicted for may be compiling: waiting for it would be waiting for itself.
      const done = which(key) && (await Promise.race([compiled, undefined]));
      if (!done) continue;
      this.programs.delete(key);
      this.budget.leave(key);
      await Promise.allSettled(done.running);
      await done.program.dispose();
    }
  }

  /** Frees all sessions. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const programs = await Promise.allSettled(this.programs.values());
    this.programs.clear();
    for (const each of programs) if (each.status === 'fulfilled') await each.value.program.dispose();
  }
}
