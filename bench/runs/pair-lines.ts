/** @file Compares our workload with a peer's: times in turns, or peaks of memory one after the other. */
import { median } from 'sgool/evaluate';
import type { Program } from './bench-process.ts';
import { type Bench, contender } from './contender.ts';
import { log } from './log.ts';
import { peakMemory, type Times, timeInTurns } from './measure.ts';
import type { Pair } from './pairs.ts';
import { lineText } from './table.ts';
import type { Line } from './verdicts.ts';

/** On a quiet machine a run gets at least this share of its threads' time. */
const QUIET = 0.75;

/** What was measured of a pair. */
type Figures = Pick<Line, 'ours' | 'peer' | 'ratio' | 'agreement' | 'runs'>;

/** Measures pairs one after the other. A failure becomes a row that says why. */
export async function pairLines(bench: Bench, pairs: readonly Pair[]): Promise<Line[]> {
  const lines: Line[] = [];
  const memory = memoryOf(bench);
  for (const pair of pairs) {
    log(`${pair.name}, ${pair.peerName} ...`);
    const line = await lineOf(pair, bench, memory);
    lines.push(line);
    log(lineText(line));
  }
  return lines;
}

async function lineOf(pair: Pair, bench: Bench, memory: (pair: Pair) => Promise<Figures>): Promise<Line> {
  const { name, peerName, goal, results = 'same' } = pair;
  const line = { name, reference: 'peer', peerName, goal, same: results === 'same' } as const;
  try {
    if (pair.kind === 'memory') return { ...line, unit: 'GB', ...(await memory(pair)) };
    const { agreement, ...figures } = await timesOf(bench, pair);
    return { ...line, unit: 's', ...figures, ...(results === 'other' ? {} : { agreement }) };
  } catch (error) {
    return { ...line, unit: 's', failed: (error as Error).message };
  }
}

const compared = (ours: number, peer: number | undefined) => ({ ours, peer, ratio: peer && ours / peer });

async function timesOf(bench: Bench, pair: Pair): Promise<Figures> {
  const both = [await contender(bench, 'ours', { ...pair, variant: pair.ours })];
  if (bench.python !== undefined) both.push(await contender(bench, 'peer', { ...pair, variant: pair.peer }));
  // Iterations take long and vary little.
  const repeats = pair.workload === 'iteration' ? Math.ceil(bench.repeats / 2) : bench.repeats;
  const { times, agreement } = await timeInTurns(both, { ...bench, repeats });
  if (times.some((own) => shareOfThreads(own, bench.threads) < QUIET)) {
    log('the machine was busy, so the times are unreliable');
  }
  const [ours, peer] = times.map(({ seconds }) => seconds);
  return { agreement, runs: { ours, peer }, ...compared(median(ours), peer && median(peer)) };
}

function shareOfThreads({ seconds, processorSeconds }: Times, threads: number): number {
  return median(processorSeconds) / median(seconds) / threads;
}

/** Measures memory; what several pairs share is measured once. */
function memoryOf(bench: Bench): (pair: Pair) => Promise<Figures> {
  const known = new Map<string, number>();
  const peak = async (program: Program, pair: Pair) => {
    const key = `${program} ${pair[program]}`;
    const gigabytes = known.get(key) ?? (await measured(program, pair));
    known.set(key, gigabytes);
    return gigabytes;
  };
  const measured = async (program: Program, pair: Pair) => {
    const alone = await contender(bench, program, { ...pair, variant: pair[program] });
    return (await peakMemory(alone, bench)).bytes / 1e9;
  };
  // One after the other: if both ran, each would count half of the file pages that both map.
  return async (pair) =>
    compared(await peak('ours', pair), bench.python === undefined ? undefined : await peak('peer', pair));
}
