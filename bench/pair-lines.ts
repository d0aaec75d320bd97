/** @file Rows of our work beside a peer's: times in turns, or peaks of memory one after the other. */
import { type Bench, contender } from './bench.ts';
import { tell } from './log.ts';
import { peakOf, type Times, timeInTurns } from './measuring.ts';
import type { Pair } from './rows.ts';
import type { Program } from './side.ts';
import { lineText } from './table.ts';
import { type Line, median } from './verdicts.ts';

/** Share of its threads' time that a run has on a quiet machine, and more. */
const QUIET = 0.75;

/** What was measured of a pair. */
type Figures = Pick<Line, 'ours' | 'peer' | 'ratio' | 'agreement' | 'runs'>;

/** Measures pairs one after the other. What fails is a row that says so. */
export async function pairLines(bench: Bench, pairs: readonly Pair[]): Promise<Line[]> {
  const lines: Line[] = [];
  const memory = memoryOf(bench);
  for (const pair of pairs) {
    const { name, peerName, goal, results = 'same' } = pair;
    tell(`${name}, ${peerName} ...`);
    const line = { name, beside: 'peer', peerName, goal, same: results === 'same' } as const;
    try {
      if (pair.kind === 'memory') lines.push({ ...line, unit: 'GB', ...(await memory(pair)) });
      else {
        const { agreement, ...figures } = await timesOf(bench, pair);
        lines.push({ ...line, unit: 's', ...figures, ...(results === 'other' ? {} : { agreement }) });
      }
    } catch (error) {
      lines.push({ ...line, unit: 's', failed: (error as Error).message });
    }
    tell(lineText(lines.at(-1)!));
  }
  return lines;
}

const compared = (ours: number, peer: number | undefined) => ({ ours, peer, ratio: peer && ours / peer });

async function timesOf(bench: Bench, pair: Pair): Promise<Figures> {
  const both = [await contender(bench, 'ours', { ...pair, variant: pair.ours })];
  if (bench.python !== undefined) both.push(await contender(bench, 'peer', { ...pair, variant: pair.peer }));
  // Iterations take long and vary little.
  const repeats = pair.work === 'iteration' ? Math.ceil(bench.repeats / 2) : bench.repeats;
  const { times, agreement } = await timeInTurns(both, { ...bench, repeats });
  if (times.some((own) => shareOfThreads(own, bench.threads) < QUIET)) {
    tell('the machine was busy, times mean little');
  }
  const [ours, peer] = times.map(({ seconds }) => seconds);
  return { agreement, runs: { ours: ours, peer }, ...compared(median(ours), peer && median(peer)) };
}

function shareOfThreads({ seconds, processorSeconds }: Times, threads: number): number {
  return median(processorSeconds) / median(seconds) / threads;
}

/** Measures memory; what several pairs have in common is measured once. */
function memoryOf(bench: Bench): (pair: Pair) => Promise<Figures> {
  const known = new Map<string, number>();
  const peak = async (program: Program, pair: Pair) => {
    const key = `${program} ${pair[program]}`;
    if (!known.has(key)) {
      const alone = await contender(bench, program, { ...pair, variant: pair[program] });
      known.set(key, (await peakOf(alone, bench)).bytes / 1e9);
    }
    return known.get(key)!;
  };
  // One after the other: of pages of files that both map each would have half.
  return async (pair) =>
    compared(await peak('ours', pair), bench.python === undefined ? undefined : await peak('peer', pair));
}
