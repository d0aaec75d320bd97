/** @file Runs of both sides: times in turns, or the peak of memory of one alone. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readNumbers } from './numbers.ts';
import { type Contender, Side } from './side.ts';
import { agreement } from './verdicts.ts';
import type { RunAnswer } from './work.ts';

/** Seconds of each run after the first, which pays for compiling and for weights that are not in memory yet. */
export interface Times {
  readonly seconds: readonly number[];
  readonly processorSeconds: readonly number[];
}

/** The least agreement over all results of two sides: loss, gradient and image of one work. */
async function agreementOf(a: RunAnswer, b: RunAnswer): Promise<number> {
  const each = Object.entries(a.results).map(async ([name, path]) =>
    agreement(await readNumbers(path), await readNumbers(b.results[name])),
  );
  return Math.min(...(await Promise.all(each)));
}

export interface How {
  /** The Python of the peers, if there is one. */
  readonly python?: string;
  /** Folder for results. */
  readonly out: string;
}

/**
 * Times contenders in turns: first, second, first, second. Each keeps its process; only one computes at a time.
 */
export async function timeInTurns(
  contenders: readonly Contender[],
  { python, out, repeats }: How & { readonly repeats: number },
): Promise<{ times: Times[]; agreement?: number }> {
  const sides: Side[] = [];
  try {
    for (const contender of contenders) sides.push(await Side.start(contender, python));
    const answers: RunAnswer[][] = sides.map(() => []);
    for (let round = 0; round <= repeats; round++) {
      for (const [i, side] of sides.entries()) {
        answers[i].push(await side.run({ out: join(out, `${i}`) }));
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
    await Promise.all(sides.map((side) => side.stop()));
  }
}

const LOOK_MS = 100;

/**
 * Proportional set size of a process in bytes: each page of memory once, however often the process maps it. Resident size
 * would count a file of weights twice that two programs map. Linux only.
 */
export async function proportionalBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)![1]) * 1024;
}

/** Highest proportional set size during `runs` runs of a process that is ready, looked at every 100 ms. */
export async function peakOf(
  contender: Contender,
  { python, out, runs = 1 }: How & { readonly runs?: number },
): Promise<{ bytes: number; seconds: readonly number[] }> {
  const side = await Side.start(contender, python);
  try {
    let bytes = 0;
    let over = false;
    const watching = (async () => {
      while (!over) {
        bytes = Math.max(bytes, await proportionalBytes(side.pid));
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    })();
    const seconds: number[] = [];
    try {
      for (let i = 0; i < runs; i++) seconds.push((await side.run({ out: join(out, 'alone') })).seconds);
    } finally {
      over = true;
      await watching;
    }
    return { bytes, seconds };
  } finally {
    await side.stop();
  }
}
