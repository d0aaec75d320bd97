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

export interface MeasureOptions {
  /** The Python of the peers, if there is one. */
  readonly python?: string;
  /** Folder for results. */
  readonly out: string;
}

/** Times contenders in turns: first, second, first, second. Each keeps its process; only one computes at a time. */
export async function timeInTurns(
  contenders: readonly Contender[],
  { python, out, repeats }: MeasureOptions & { readonly repeats: number },
): Promise<{ times: Times[]; agreement?: number }> {
  const processes: BenchProcess[] = [];
  try {
    for (const contender of contenders) processes.push(await BenchProcess.start(contender, python));
    const answers: RunAnswer[][] = processes.map(() => []);
    for (let round = 0; round <= repeats; round++) {
      for (const [i, process] of processes.entries()) {
        answers[i].push(await process.run({ out: join(out, `${i}`) }));
      }
    }
    const [first, second] = answers;
    return {
      times: answers.map((own) => ({
        seconds: own.slice(1).map(({ seconds }) => seconds),
        processorSeconds: own.slice(1).map(({ processorSeconds }) => processorSeconds),
      })),
      ...(second ? { agreement: await agreementOf(first[0], second[0]) } : {}),
    };
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}

const SAMPLE_MS = 100;

/**
 * Proportional set size of a process in bytes: each page of memory counts once, however often the process maps it. Resident
 * size would count a file of weights twice that two programs map. Linux only.
 */
export async function proportionalBytes(pid: number): Promise<number> {
  const path = `/proc/${pid}/smaps_rollup`;
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(await readFile(path, 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`${path}: has no line "Pss"`);
  return Number(kilobytes) * 1024;
}

/** The highest of the figures that are sampled while something is done, every 100 ms. */
export async function peakWhile<T>(
  sample: () => Promise<number>,
  work: () => Promise<T>,
): Promise<{ peak: number; result: T }> {
  let peak = 0;
  let over = false;
  const sampling = (async () => {
    while (!over) {
      peak = Math.max(peak, await sample());
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  try {
    const result = await work();
    return { peak, result };
  } finally {
    over = true;
    await sampling;
  }
}

/** The highest proportional set size during `runs` runs of a process that is ready. */
export async function peakMemory(
  contender: Contender,
  { python, out, runs = 1 }: MeasureOptions & { readonly runs?: number },
): Promise<{ bytes: number; seconds: readonly number[] }> {
  const process = await BenchProcess.start(contender, python);
  try {
    const { peak: bytes, result: seconds } = await peakWhile(
      () => proportionalBytes(process.pid),
      async () => {
        const times: number[] = [];
        for (let i = 0; i < runs; i++) times.push((await process.run({ out: join(out, 'alone') })).seconds);
        return times;
      },
    );
    return { bytes, seconds };
  } finally {
    await process.stop();
  }
}
