/** @file Compares our workload with a peer's: times in turns, or peaks of memory one after the other. */
import { median } from 'sgool/evaluate';
import type { Program } from './bench-process.ts';
import { type Bench, contender } from './contender.ts';
import { log } from './log.ts';
import { type ProcessMemory, peakMemory, type Times, timeInTurns } from './measure.ts';
import type { Pair } from './pairs.ts';
import { lineText } from './table.ts';
import type { Line } from './verdicts.ts';

/** On a quiet machine a run gets at least this share of its threads' time. */
const QUIET = 0.75;

/** What was measured of a pair. */
type Figures = Pick<Line, 'ours' | 'peer' | 'ratio' | 'agreement' | 'runs'>;

/**
 * Measures pairs one after the other. A failure becomes a row that says why.
 *
 * @returns one row for each pair, in their order; behind them rows of the memory that was measured beside
 */
export async function pairLines(bench: Bench, pairs: readonly Pair[]): Promise<Line[]> {
  const lines: Line[] = [];
  const beside: Line[] = [];
  const memory = memoryOf(bench);
  for (const pair of pairs) {
    log(`${pair.name}, ${pair.peerName} ...`);
    const [line, ...others] = await linesOf(pair, bench, memory);
    lines.push(line);
    beside.push(...others);
    for (const each of [line, ...others]) log(lineText(each));
  }
  return [...lines, ...beside];
}

async function linesOf(pair: Pair, bench: Bench, memory: (pair: Pair) => Promise<Figures>): Promise<Line[]> {
  const { name, peerName, goal, results = 'same' } = pair;
  const { clock, threads } = bench;
  const isTime = pair.kind === 'time';
  const timed =
    isTime && clock === 'processor'
      ? `${name}, processor time of ${threads} thread${threads === 1 ? '' : 's'}`
      : name;
  const line = { name: timed, reference: 'peer', peerName, goal, same: results === 'same' } as const;
  try {
    if (!isTime) return [{ ...line, unit: 'GB', ...(await memory(pair)) }];
    const { agreement, beside, ...figures } = await timesOf(bench, pair);
    const time = { ...line, unit: 's', ...figures, ...(results === 'other' ? {} : { agreement }) } as const;
    return [time, ...memoryLines(pair, beside)];
  } catch (error) {
    return [{ ...line, unit: 's', failed: (error as Error).message }];
  }
}

/** The memory that was measured beside the time of a pair: of ours, and of the peer where there is one. */
function memoryLines({ name, peerName, memory }: Pair, beside: readonly ProcessMemory[]): Line[] {
  if (memory === undefined) return [];
  const line = (key: keyof ProcessMemory, what: string, goal?: number): Line => {
    const [ours, peer] = beside.map((each) => each[key] / 1e9);
    const figures = { unit: 'GB', ...compared(ours, peer) } as const;
    return { name: `${what}: ${name}`, reference: 'peer', peerName, goal, ...figures };
  };
  return [line('proportional', 'peak memory', memory.goal), line('anonymous', 'peak of memory in no file')];
}

const compared = (ours: number, peer: number | undefined) => ({ ours, peer, ratio: peer && ours / peer });

async function timesOf(bench: Bench, pair: Pair): Promise<Figures & { beside: readonly ProcessMemory[] }> {
  const both = [await contender(bench, 'ours', { ...pair, variant: pair.ours })];
  if (bench.python !== undefined) both.push(await contender(bench, 'peer', { ...pair, variant: pair.peer }));
  // Iterations take long and vary little.
  const repeats = pair.workload === 'iteration' ? Math.ceil(bench.repeats / 2) : bench.repeats;
  const samples = pair.memory !== undefined;
  const { times, memory, agreement } = await timeInTurns(both, {
    ...{ ...bench, repeats, samples },
    onRound: (round) => log(round === 0 ? 'both are ready' : `round ${round} of ${repeats}`),
  });
  if (bench.clock === 'wall' && times.some((own) => shareOfThreads(own, bench.threads) < QUIET)) {
    log('the machine was busy, so the times are unreliable');
  }
  const key = bench.clock === 'wall' ? 'seconds' : 'processorSeconds';
  const [ours, peer] = times.map((own) => own[key]);
  return { agreement, beside: memory, runs: { ours, peer }, ...compared(median(ours), peer && median(peer)) };
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
    return (await peakMemory(alone, bench)).proportional / 1e9;
  };
  // One after the other: if both ran, each would count half of the file pages that both map.
  return async (pair) =>
    compared(await peak('ours', pair), bench.python === undefined ? undefined : await peak('peer', pair));
}
