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
import { type Budget, readBudget } from '../request/budget.ts';
import type { MethodRequest } from '../request/request.ts';
import { pickSettings } from '../request/settings/shape.ts';
import { type DryRunCounts, DryRunPrograms } from '../runtime/dry-run.ts';
import { contentionMeter, type MachineSpeed, measureMachine } from '../runtime/machine-speed.ts';
import type { DryRunOptions, Iteration } from './run/iteration.ts';
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
  /** Whether seconds and operations are the most that the run can take: how much it takes depends on what it finds. */
  readonly atMost?: true;
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

const budgetOf = ({ budget }: Pick<MethodRequest, 'budget'>): Budget | undefined =>
  budget ? readBudget(budget) : undefined;

/**
 * The last iteration of a run.
 *
 * @param spent after each iteration of the dry run, in the unit of the budget
 */
function lastIteration(
  { settings }: Pick<Method, 'settings'>,
  iterations: number,
  budget: Budget | undefined,
  spent: readonly number[],
): number {
  // A method whose iterations are no setting was run to its end.
  if (!Object.hasOwn(settings, 'iterations')) return spent.length - 1;
  return budget ? lastWithin(budget.limit, spent, iterations) : iterations;
}

/** A dry run of the beginning of a run, and what of it is the same for every further iteration. */
interface DryRun {
  readonly programs: DryRunPrograms;
  /** After each iteration. */
  readonly scores: readonly DryRunCounts[];
  /** What was spent after each iteration: FLOPs where the budget is in these, else network calls. */
  readonly spent: readonly number[];
  /** Evaluations of the network after each iteration. */
  readonly evaluations: readonly Iteration['evaluations'][];
  /** Behind the last region of a detail pass, which follows the last iteration; otherwise after that one. */
  readonly end: DryRunCounts;
  /** Whether the most was assumed of what a real run would find. */
  readonly isMost: boolean;
  /** How many times longer everything took than alone. */
  readonly contention: number;
}

/** What is counted of an iteration. */
type Counted = Pick<Iteration, 'evaluations'>;

interface CountingOptions {
  /** Whether FLOPs are what is spent. */
  readonly inFlops?: boolean;
  /** How many of the iterations are those of the run itself; a detail pass follows them. Default: all. */
  readonly own?: number;
}

/** Goes through iterations on programs that compute nothing. */
async function dryRun(
  open: EstimateOptions['open'],
  run: (pipeline: Pipeline, options: DryRunOptions) => AsyncIterable<Counted>,
  { inFlops = false, own }: CountingOptions = {},
): Promise<DryRun> {
  let isMost = false;
  const options: DryRunOptions = {
    onMost: () => {
      isMost = true;
    },
  };
  let made: DryRunPrograms | undefined;
  const pipeline = await open((options) => (made = new DryRunPrograms(options)));
  if (!made) throw new Error('estimate: the pipeline was opened without the programs of the dry run');
  const programs: DryRunPrograms = made;
  const scores: DryRunCounts[] = [];
  const contention = contentionMeter();
  const spent: number[] = [];
  const counted: Iteration['evaluations'][] = [];
  for await (const { evaluations } of run(pipeline, options)) {
    scores.push(programs.counts);
    counted.push(evaluations);
    spent.push(inFlops ? programs.flops : evaluations.forward + evaluations.pullback);
  }
  await pipeline.dispose();
  return {
    programs,
    scores: scores.slice(0, own),
    spent: spent.slice(0, own),
    evaluations: counted.slice(0, own),
    end: scores[scores.length - 1],
    isMost,
    contention: contention(),
  };
}

/** A dry run of a method. */
function dryRunOf({ open, method, request, iterations }: EstimateOptions): Promise<DryRun> {
  const budget = budgetOf(request);
  // A run that does not end early. Its seconds are not those of the run that it stands for.
  const whole = {
    iterations: Math.min(iterations, DRY_ITERATIONS),
    patience: 0,
    targetClip: 100,
    ...(budget?.unit === 's' && { budget: '' }),
  };
  const given = { ...request, ...pickSettings(method.settings, whole) };
  return dryRun(open, (pipeline, dryRun) => method.run(pipeline, given, { dryRun }), {
    inFlops: budget?.unit === 'flops',
    ...(Object.hasOwn(method.settings, 'iterations') && { own: whole.iterations + 1 }),
  });
}

/**
 * Floating-point operations of a run, by the key of the program that does them. Nothing is computed.
 *
 * @throws UserError where the run itself would
 */
export async function countOperations(
  options: Omit<EstimateOptions, 'machine'>,
): Promise<ReadonlyMap<string, number>> {
  const { method, request, iterations } = options;
  const dry = await dryRunOf(options);
  const { programs, spent } = dry;
  const budget = budgetOf(request);
  // Seconds depend on the machine: they say nothing of operations.
  const limit = budget?.unit === 's' ? undefined : budget;
  const runs = extrapolated(dry, 'run', lastIteration(method, iterations, limit, spent));
  return new Map([...runs].map(([key, count]) => [key, count * programs.costOf(key).flops]));
}

/**
 * Evaluations of the denoiser's network in a run, forward and back, under one prompt each: guidance takes two. Nothing is computed.
 *
 * @throws UserError where the run itself would
 */
export async function countEvaluations(
  options: Omit<EstimateOptions, 'machine'>,
): Promise<Iteration['evaluations']> {
  const { method, request, iterations } = options;
  const { spent, evaluations } = await dryRunOf(options);
  const last = lastIteration(method, iterations, budgetOf(request), spent);
  const at = Math.min(evaluations.length - 1, last);
  const count = (kind: keyof Iteration['evaluations']) => {
    const now = evaluations[at][kind];
    // Behind the first iterations, one is like all that follow.
    return now + (last - at) * (now - (evaluations[at - 1]?.[kind] ?? 0));
  };
  return { forward: count('forward'), pullback: count('pullback') };
}

/**
 * Estimates a run.
 *
 * @throws UserError where the run itself would
 */
export async function estimateRun(options: EstimateOptions): Promise<RunEstimate> {
  const { method, request, iterations, machine } = options;
  const dry = await dryRunOf(options);
  const budget = budgetOf(request);
  const inSeconds = budget?.unit === 's';
  return estimateOf(dry, machine, (secondsUntil) => ({
    last: lastIteration(
      method,
      iterations,
      budget,
      inSeconds ? dry.scores.map((_, at) => secondsUntil(at)) : dry.spent,
    ),
    longest: inSeconds ? budget.limit : Number.POSITIVE_INFINITY,
  }));
}

/** What the estimate of anything that runs in iterations is made from. */
export interface IterationsOptions extends Pick<EstimateOptions, 'open' | 'iterations' | 'machine'> {
  /** Begins it, with this number for its last iteration, counted from 0. */
  run(pipeline: Pipeline, iterations: number): AsyncIterable<Counted>;
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
  const dry = await dryRun(open, (pipeline) => run(pipeline, Math.min(iterations, DRY_ITERATIONS)));
  return estimateOf(dry, machine, () => ({ last: iterations, longest: Number.POSITIVE_INFINITY }));
}

/**
 * Time and memory from a dry run.
 *
 * @param endOf the last iteration, and the most seconds, from the seconds until an iteration
 */
async function estimateOf(
  dry: DryRun,
  machine: MachineSpeed | undefined,
  endOf: (secondsUntil: (iteration: number) => number) => { readonly last: number; readonly longest: number },
): Promise<RunEstimate> {
  const { programs, contention, isMost } = dry;
  const { peak } = programs;
  const speed = machine ?? (await measureMachine(programs.options));
  const total = (which: keyof DryRunCounts, of: (cost: GraphCost) => number, last: number) =>
    sum([...extrapolated(dry, which, last)].map(([key, count]) => count * of(programs.costOf(key))));
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
    return contention * (running + compiling);
  };
  const { last, longest } = endOf(secondsUntil);
  return {
    seconds: Math.min(secondsUntil(last), longest),
    memoryBytes: BASE_BYTES + peak.bytes,
    mappedBytes: peak.mappedBytes,
    operations: total('run', ({ flops }) => flops, last),
    ...(isMost && { atMost: true }),
    machine: speed,
    contention,
  };
}

/** The last iteration that a budget holds, from what was spent after each of the first ones. */
function lastWithin(limit: number, spent: readonly number[], iterations: number): number {
  const [before = 0, now = 0] = spent.slice(-2);
  if (spent.length <= DRY_ITERATIONS || now <= before) return Math.min(iterations, spent.length - 1);
  return Math.max(0, Math.min(iterations, DRY_ITERATIONS + Math.floor((limit - now) / (now - before))));
}

/** Counts of a run up to an iteration and of the detail pass behind it, from those after each of its first iterations. */
function extrapolated(
  { scores, end }: Pick<DryRun, 'scores' | 'end'>,
  which: keyof DryRunCounts,
  iterations: number,
) {
  const at = Math.min(scores.length - 1, iterations);
  const last = scores[at][which];
  const before = scores[at - 1]?.[which];
  const all = scores[scores.length - 1][which];
  // Behind the first image, and an iteration that compiled its programs, one is like all that follow.
  const missing = at === DRY_ITERATIONS ? iterations - at : 0;
  return new Map(
    [...end[which]].map(([key, ended]) => {
      const count = last.get(key) ?? 0;
      const behind = ended - (all.get(key) ?? 0);
      return [key, count + missing * (count - (before?.get(key) ?? 0)) + behind];
    }),
  );
}
