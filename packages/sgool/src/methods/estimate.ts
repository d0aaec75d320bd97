/**
 * @file What a run will take: time and memory, before it starts.
 *
 * The method is dryRun on programs that only count (see dry-run.ts), two iterations at most; further ones cost what the
 * second cost. Operations become seconds by the speed that a small program reaches on this machine, and by the share of a
 * core that the rehearsal itself was given.
 */

import type { GraphCost } from '@sgool/autodiff';
import { host } from '#platform';
import type { LoadOptions } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { GenerationRequest } from '../request/request.ts';
import { type DryRunCounts, DryRunPrograms, sum } from '../runtime/dry-run.ts';
import { type MachineSpeed, measureMachine } from '../runtime/machine-speed.ts';
import type { Method } from './run/method.ts';

export interface RunEstimate {
  /** Wall time of the whole run, compiling included. */
  readonly seconds: number;
  /** Highest resident memory of the process. */
  readonly memoryBytes: number;
  /** Part of it that is weights in mapped files. */
  readonly mappedBytes: number;
  /** Floating-point operations of all networks. */
  readonly operations: number;
  readonly machine: MachineSpeed;
  /** How many times longer than alone everything takes, because of what else the machine computes; 1 if nothing. */
  readonly contention: number;
}

export interface EstimateOptions {
  /** Opens the model on the given programs. */
  readonly open: (programs: NonNullable<LoadOptions['programs']>) => Promise<Pipeline>;
  readonly method: Pick<Method, 'run'>;
  readonly request: GenerationRequest;
  /** Of the request, as resolved. */
  readonly iterations: number;
  /** Measured unless given. */
  readonly machine?: MachineSpeed;
}

/** Calling a kernel, whatever it computes. */
const SECONDS_PER_NODE = 6e-6;
/** Making a kernel, and optimising the graph around it. */
const COMPILE_SECONDS_PER_NODE = 3e-4;
/** What nodes without many operations read and write, in bytes for each operation of a convolution in that time. */
const MOVED_PER_OPERATION = 0.1;
/** The same for weights that compiling rearranges or computes. */
const COPIED_PER_OPERATION = 0.002;
/** First touch of a page of a mapped file that is in the system's cache. */
const MAPPED_BYTES_PER_SECOND = 3e9;

/** Node, the runtimes and the sources, before any model. */
const BASE_BYTES = 160e6;

/**
 * Estimates a run.
 *
 * @throws UserError where the run itself would
 */
export async function estimateRun({
  open,
  method,
  request,
  iterations,
  machine,
}: EstimateOptions): Promise<RunEstimate> {
  let programs: DryRunPrograms | undefined;
  const pipeline = await open((options) => (programs = new DryRunPrograms(options)));
  const { options, costs } = programs!;
  const scores: DryRunCounts[] = [];
  const contention = contentionMeter();
  // What is counted is the run that does not end early.
  const dryRun = { ...request, iterations: Math.min(iterations, 2), patience: 0, targetClip: 100 };
  for await (const _ of method.run(pipeline, dryRun)) {
    scores.push(programs!.counts);
  }
  await pipeline.dispose();
  const { peak } = programs!;
  const slower = contention();
  const speed = machine ?? (await measureMachine(options));

  const total = (which: keyof DryRunCounts, of: (cost: GraphCost) => number) =>
    [...extrapolated(scores, which, iterations)].reduce(
      (sum, [key, count]) => sum + count * of(costs.get(key)!),
      0,
    );
  const running = total(
    'run',
    ({ nodes, flops, movedBytes }) =>
      nodes * SECONDS_PER_NODE + (flops + movedBytes / MOVED_PER_OPERATION) / speed.flops,
  );
  const compiling = total(
    'compiled',
    ({ nodes, copiedBytes, mapped }) =>
      nodes * COMPILE_SECONDS_PER_NODE +
      copiedBytes / COPIED_PER_OPERATION / speed.flops +
      sum(mapped.values()) / MAPPED_BYTES_PER_SECOND,
  );
  return {
    seconds: slower * (running + compiling),
    memoryBytes: BASE_BYTES + peak.bytes,
    mappedBytes: peak.mappedBytes,
    operations: total('run', ({ flops }) => flops),
    machine: speed,
    contention: slower,
  };
}

/** Starts a clock; what it gives back tells the wall time since then over the processor time. */
function contentionMeter(): () => number {
  const [started, used] = [performance.now(), host.cpuSeconds()];
  return () => {
    const now = host.cpuSeconds();
    if (now === undefined || used === undefined) return 1;
    return Math.max(1, (performance.now() - started) / 1000 / (now - used));
  };
}

/** Counts of the whole run from those after each of its first iterations. */
function extrapolated(scores: readonly DryRunCounts[], which: keyof DryRunCounts, iterations: number) {
  const last = scores.at(-1)![which];
  const before = scores.at(-2)?.[which];
  // Three scores: the first image, an iteration that compiled its programs, and one like all that follow.
  const missing = before && scores.length === 3 ? iterations - 2 : 0;
  return new Map([...last].map(([key, count]) => [key, count + missing * (count - (before?.get(key) ?? 0))]));
}
