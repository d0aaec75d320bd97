/** @file Timing and profiling of traced programs for the benchmarks. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Arrays,
  type CompileOptions,
  compile,
  type Graph,
  type Program,
  type TypedArray,
} from '@sgool/autodiff';

/** Numbers in [-0.5, 0.5), the same at each call. */
export function noise(length: number): Float32Array {
  let state = 12345;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 2 ** 31 - 0.5;
  });
}

/** Random numbers for each float32 input, zeros for the others. */
export function noiseFor(graph: Graph): Record<string, TypedArray> {
  return Object.fromEntries(
    [...graph.inputs].map(([name, t]) => [
      name,
      t.dtype === 'float32' ? noise(t.size) : new Int32Array(t.size),
    ]),
  );
}

export interface Prepared {
  readonly program: Program;
  readonly inputs: Arrays;
  readonly outputs: Arrays;
}

/** Compiles a graph and runs it once: the first run of a session pays for page faults. */
export async function prepare(graph: Graph, options: CompileOptions = {}): Promise<Prepared> {
  const program = await compile(graph, options);
  const inputs = noiseFor(graph);
  return { program, inputs, outputs: await program.run(inputs) };
}

/** Milliseconds of one run. */
export async function once({ program, inputs, outputs }: Prepared): Promise<number> {
  const start = performance.now();
  await program.run(inputs, outputs);
  return performance.now() - start;
}

/** The fastest of `runs` runs in milliseconds, which other load disturbed least. */
export async function fastest(graph: Graph, runs: number, options: CompileOptions = {}): Promise<number> {
  const prepared = await prepare(graph, options);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) best = Math.min(best, await once(prepared));
  await prepared.program.dispose();
  return best;
}

const COMPUTE = ['Conv', 'FusedConv', 'ConvTranspose', 'MatMul', 'FusedMatMul', 'Gemm'];
const REDUCING = ['LayerNormalization', 'Softmax', 'ReduceSum', 'ReduceMean', 'ReduceMax'];

export interface Profile {
  readonly milliseconds: number;
  /** Shares of the time, 0 to 1: products and convolutions; norms, softmax and sums; everything else. */
  readonly shares: {
    readonly compute: number;
    readonly reducing: number;
    readonly elementwiseAndLayout: number;
  };
  /** Milliseconds by op, the largest first. */
  readonly byOp: readonly (readonly [string, number])[];
}

/** Kernel times: for each node the fastest of `runs` profiled runs, so that other load on the machine counts less. */
export async function profile(graph: Graph, runs: number, options: CompileOptions = {}): Promise<Profile> {
  const folder = await mkdtemp(path.join(tmpdir(), 'autodiff-bench-'));
  try {
    const program = await compile(graph, { ...options, profilePrefix: path.join(folder, 'run') });
    const inputs = noiseFor(graph);
    for (let i = 0; i < runs; i++) await program.run(inputs);
    program.endProfiling();
    await program.dispose();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as {
      cat: string;
      name: string;
      dur: number;
      args: { op_name?: string; node_index?: string };
    }[];
    const nodes = new Map<string, { readonly op: string; dur: number }>();
    for (const { cat, name, dur, args } of events) {
      const { node_index: node = '', op_name: op = '' } = args;
      if (cat !== 'Node' || !name.endsWith('_kernel_time')) continue;
      const known = nodes.get(node);
      if (known) known.dur = Math.min(known.dur, dur);
      else nodes.set(node, { op, dur });
    }
    const times = new Map<string, number>();
    for (const { op, dur } of nodes.values()) times.set(op, (times.get(op) ?? 0) + dur / 1000);
    const total = [...times.values()].reduce((a, b) => a + b, 0);
    const share = (ops: readonly string[]) => ops.reduce((n, op) => n + (times.get(op) ?? 0), 0) / total;
    const [compute, reducing] = [share(COMPUTE), share(REDUCING)];
    return {
      milliseconds: total,
      shares: { compute, reducing, elementwiseAndLayout: 1 - compute - reducing },
      byOp: [...times].sort((a, b) => b[1] - a[1]),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
