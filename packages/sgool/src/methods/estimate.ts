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
import { readBudget } from '../request/budget.ts';
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

/** Iterations of a dry run, beside the first image. */
const DRY_ITERATIONS = 2;

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
export async function estimateRun({
  open,
  method,
  request,
  iterations,
  machine,
}: EstimateOptions): Promise<RunEstimate> {
  let made: DryRunPrograms | undefined;
  const pipeline = await open((options) => (made = new DryRunPrograms(options)));
  if (!made) throw new Error('estimate: the pipeline was opened without the programs of the dry run');
  const programs: DryRunPrograms = made;
  const { options, costs } = programs;
  const scores: DryRunCounts[] = [];
  const contention = contentionMeter();
  const budget = request.budget ? readBudget(request.budget) : undefined;
  /** What was spent of the budget after each of the first iterations. */
  const spent: number[] = [];
  // A run that does not end early. Its seconds are not those of the run that it stands for.
  const whole = {
    iterations: Math.min(iterations, DRY_ITERATIONS),
    patience: 0,
    targetClip: 100,
    ...(budget?.unit === 's' && { budget: '' }),
  };
  for await (const { evaluations } of method.run(pipeline, {
    ...request,
    ...pickSettings(method.settings, whole),
  })) {
    scores.push(programs.counts);
    spent.push(budget?.unit === 'flops' ? programs.flops : evaluations.forward + evaluations.pullback);
  }
  await pipeline.dispose();
  const { peak } = programs;
  const slower = contention();
  const speed = machine ?? (await measureMachine(options));

  const total = (which: keyof DryRunCounts, of: (cost: GraphCost) => number, last: number) =>
    [...extrapolated(scores, which, last)].reduce((sum, [key, count]) => {
      const cost = costs.get(key);
      if (!cost) throw new Error(`estimate: no cost of the program ${key}`);
      return sum + count * of(cost);
    }, 0);
  const secondsUntil = (last: number) => {
    const running = total(
      'run',
      ({ nodes, flops, movedBytes }) =>
        nodes * SECONDS_PER_NODE + (flops + movedBytes / MOVED_PER_OPERATION) / speed.flops,
      last,
    );
    const compiling = total(
      'compiled',
      ({ nodes, copiedBytes, mapped }) =>
        nodes * COMPILE_SECONDS_PER_NODE +
        copiedBytes / COPIED_PER_OPERATION / speed.flops +
        sum(mapped.values()) / MAPPED_BYTES_PER_SECOND,
      last,
    );
    return slower * (running + compiling);
  };
  if (budget?.unit === 's') spent.splice(0, spent.length, ...scores.map((_, last) => secondsUntil(last)));
  // A method whose iterations are no setting was run to its end.
  const isWhole = !Object.hasOwn(method.settings, 'iterations');
  const wanted = isWhole ? scores.length - 1 : iterations;
  const last = budget && !isWhole ? lastWithin(budget.limit, spent, wanted) : wanted;
  const longest = budget?.unit === 's' ? budget.limit : Number.POSITIVE_INFINITY;
  return {
    seconds: Math.min(secondsUntil(last), longest),
    memoryBytes: BASE_BYTES + peak.bytes,
    mappedBytes: peak.mappedBytes,
    operations: total('run', ({ flops }) => flops, last),
    machine: speed,
    contention: slower,
  };
}

/** The last iteration that a budget holds, from what was spent after each of the first ones. */
function lastWithin(limit: number, spent: readonly number[], iterations: number): number {
  const [before = 0, now = 0] = spent.slice(-2);
  if (spent.length <= DRY_ITERATIONS || now <= before) return Math.min(iterations, spent.length - 1);
  return Math.max(0, Math.min(iterations, DRY_ITERATIONS + Math.floor((limit - now) / (now - before))));
}

/** Counts of a run up to an iteration, from those after each of its first iterations. */
function extrapolated(scores: readonly DryRunCounts[], which: keyof DryRunCounts, iterations: number) {
  const at = Math.min(scores.length - 1, iterations);
  const last = scores[at][which];
  const before = scores[at - 1]?.[which];
  // Behind the first image, and an iteration that compiled its programs, one is like all that follow.
  const missing = at === DRY_ITERATIONS ? iterations - at : 0;
  return new Map([...last].map(([key, count]) => [key, count + missing * (count - (before?.get(key) ?? 0))]));
}
