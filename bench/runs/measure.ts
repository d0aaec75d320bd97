/** @file Runs both sides: times in turns, or the peak memory of one alone. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchProcess, type Contender } from './bench-process.ts';
import { readFloat32 } from './float32-file.ts';
import { agreement } from './verdicts.ts';
import type { RunAnswer } from './workload.ts';

/** Of each run after the first, which pays for compiling and for weights that are not in memory yet. */
export interface Times {
  readonly seconds: readonly number[];
  readonly processorSeconds: readonly number[];
}

/** The least agreement over all results of two sides: loss, gradient and image of one workload. */
export async function agreementOf(
  a: Pick<RunAnswer, 'results'>,
  b: Pick<RunAnswer, 'results'>,
): Promise<number> {
  const each = Object.entries(a.results).map(async ([name, path]) =>
    agreement(await readFloat32(path), await readFloat32(b.results[name])),
  );
  return Math.min(...(await Promise.all(each)));
}

export interface TurnsOptions {
  readonly repeats: number;
  /** Whether memory is sampled in the first run. Where the sides share mapped files, each would count half of them. */
  readonly samples?: boolean;
  /** Called before each round; the first one is not timed. */
  onRound?(round: number): void;
}

export interface MeasureOptions {
  /** The Python of the peers, if there is one. */
  readonly python?: string;
  /** Folder for results. */
  readonly out: string;
}

/** What was measured of contenders, in their order. */
export interface Measured {
  readonly times: readonly Times[];
  /** Of the first run of each, compiling included. */
  readonly memory: readonly ProcessMemory[];
  /** Of the results of the first run, where there are two contenders. */
  readonly agreement?: number;
}

/** Times contenders in turns: first, second, first, second. Each keeps its process; only one computes at a time. */
export async function timeInTurns(
  contenders: readonly Contender[],
  { python, out, repeats, samples = false, onRound }: MeasureOptions & TurnsOptions,
): Promise<Measured> {
  const processes: BenchProcess[] = [];
  try {
    for (const contender of contenders) processes.push(await BenchProcess.start(contender, python));
    const answers: RunAnswer[][] = processes.map(() => []);
    const memory: ProcessMemory[] = [];
    for (let round = 0; round <= repeats; round++) {
      onRound?.(round);
      for (const [i, process] of processes.entries()) {
        // The first results are compared at the end: later runs, which may go on from them, write elsewhere.
        const run = () => process.run({ out: join(out, round === 0 ? `${i}` : `${i}-timed`) });
        if (round > 0 || !samples) {
          answers[i].push(await run());
          continue;
        }
        const { peak, result } = await peakWhile(() => processMemory(process.pid), run);
        memory.push(peak);
        answers[i].push(result);
      }
    }
    const [first, second] = answers;
    return {
      times: answers.map((own) => ({
        seconds: own.slice(1).map(({ seconds }) => seconds),
        processorSeconds: own.slice(1).map(({ processorSeconds }) => processorSeconds),
      })),
      memory,
      ...(second ? { agreement: await agreementOf(first[0], second[0]) } : {}),
    };
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}

const SAMPLE_MS = 100;

/** Memory of a process in bytes. */
export interface ProcessMemory {
  /** Proportional set size: each page counts once, however often the process maps it. */
  readonly proportional: number;
  /** What of it is in no file. */
  readonly anonymous: number;
}

/** Memory of a process. Resident size would count a file of weights twice that two programs map. Linux only. */
export async function processMemory(pid: number): Promise<ProcessMemory> {
  const path = `/proc/${pid}/smaps_rollup`;
  const text = await readFile(path, 'utf8');
  const bytesOf = (key: string) => {
    const kilobytes = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    if (kilobytes === undefined) throw new Error(`${path}: has no line "${key}"`);
    return Number(kilobytes) * 1024;
  };
  return { proportional: bytesOf('Pss'), anonymous: bytesOf('Anonymous') };
}

/** The highest of each of the figures that are sampled while something is done, every 100 ms. */
export async function peakWhile<Figure extends string, T>(
  sample: () => Promise<Record<Figure, number>>,
  work: () => Promise<T>,
): Promise<{ peak: Record<Figure, number>; result: T }> {
  const peak: Record<Figure, number> = await sample();
  let over = false;
  const sampling = (async () => {
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      const now = await sample();
      for (const key of Object.keys(now) as Figure[]) peak[key] = Math.max(peak[key], now[key]);
    }
  })();
  let result: T;
  try {
    result = await work();
  } finally {
    over = true;
    await sampling;
  }
  return { peak, result };
}

/** The highest memory during `runs` runs of a process that is ready. */
export async function peakMemory(
  contender: Contender,
  { python, out, runs = 1 }: MeasureOptions & { readonly runs?: number },
): Promise<ProcessMemory & { seconds: readonly number[] }> {
  const process = await BenchProcess.start(contender, python);
  try {
    const seconds: number[] = [];
    const { peak } = await peakWhile(
      () => processMemory(process.pid),
      async () => {
        for (let i = 0; i < runs; i++) {
          seconds.push((await process.run({ out: join(out, 'alone') })).seconds);
        }
      },
    );
    return { ...peak, seconds };
  } finally {
    await process.stop();
  }
}
