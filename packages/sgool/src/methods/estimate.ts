/**
 * @file Time and memory of a run, before it starts.
 *
 * A dry run of the method counts operations and computes nothing (see dry-run.ts), for two iterations at most; further ones cost
 * as much as the second. Operations become seconds by the speed that a small program reaches on this machine, and by the share of
 * a core that the dry run itself got.
 */

import type { GraphCost } from '@sgool/autodiff';
import { sum } from '../numbers.ts';
import type { LoadOptions } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { MethodRequest } from '../request/request.ts';
import { pickSettings } from '../request/settings.ts';
import { type DryRunCounts, DryRunPrograms } from '../runtime/dry-run.ts';
import { contentionMeter, type MachineSpeed, measureMachine } from '../runtime/machine-speed.ts';
import type { Method } from './run/method.ts';

/** Time, memory and operations that a run will take. */
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

/** What an estimate is made from. */
export interface EstimateOptions {
  /** Opens the model on the given programs. */
  readonly open: (programs: NonNullable<LoadOptions['programs']>) => Promise<Pipeline>;
  readonly method: Pick<Method, 'run' | 'settings'>;
  readonly request: MethodRequest;
  /** Of the request, as resolved. */
  readonly iterations: number;
  /** Measured unless given. */
  readonly machine?: MachineSpeed;
}

/** Calling a kernel, whatever it computes. */
const SECONDS_PER_NODE = 6e-6;
/** Making a kernel, and optimising the graph around it. */
const COMPILE_SECONDS_PER_NODE = 3e-4;
/** Bytes that nodes with few operations read and write in the time of one operation of a convolution. */
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
export function estimateRun({ method, request, ...options }: EstimateOptions): Promise<RunEstimate> {
  return estimateIterations({
    ...options,
    run: (pipeline, iterations) => {
      // A run that does not end early.
      const whole = { iterations, patience: 0, targetClip: 100 };
      return method.run(pipeline, { ...request, ...pickSettings(method.settings, whole) });
    },
  });
}

/** What the estimate of anything that runs in iterations is made from. */
export interface IterationsOptions extends Pick<EstimateOptions, 'open' | 'iterations' | 'machine'> {
  /** Begins it, with this number for its last iteration, counted from 0. */
  run(pipeline: Pipeline, iterations: number): AsyncIterable<unknown>;
}

/**
 * Estimates what runs in iterations, the first of which may differ from the others.
 *
 * @throws UserError where the run itself would
 */
export async function estimateIterations({
  open,
  run,
  iterations,
  machine,
}: IterationsOptions): Promise<RunEstimate> {
  let made: DryRunPrograms | undefined;
  const pipeline = await open((options) => (made = new DryRunPrograms(options)));
  if (!made) throw new Error('estimate: the pipeline was opened without the programs of the dry run');
  const programs: DryRunPrograms = made;
  const { options, costs } = programs;
  const scores: DryRunCounts[] = [];
  const contention = contentionMeter();
  for await (const _ of run(pipeline, Math.min(iterations, 2))) {
    scores.push(programs.counts);
  }
  await pipeline.dispose();
  const { peak } = programs;
  const slower = contention();
  const speed = machine ?? (await measureMachine(options));

  const total = (which: keyof DryRunCounts, of: (cost: GraphCost) => number) =>
    [...extrapolated(scores, which, iterations)].reduce((sum, [key, count]) => {
      const cost = costs.get(key);
      if (!cost) throw new Error(`estimate: no cost of the program ${key}`);
      return sum + count * of(cost);
    }, 0);
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

/** Counts of the whole run from those after each of its first iterations. */
function extrapolated(scores: readonly DryRunCounts[], which: keyof DryRunCounts, iterations: number) {
  const last = scores[scores.length - 1][which];
  const before = scores.at(-2)?.[which];
  // Three scores: the first image, an iteration that compiled its programs, and one like all that follow.
  const missing = before && scores.length === 3 ? iterations - 2 : 0;
  return new Map([...last].map(([key, count]) => [key, count + missing * (count - (before?.get(key) ?? 0))]));
}
