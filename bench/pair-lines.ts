/** @file Rows of our work beside a peer's: time in turns, or peak memory of each alone. */
import { type Bench, contender } from './bench.ts';
import { peakOf, type Times, timeInTurns } from './measuring.ts';
import type { Pair } from './rows.ts';
import { tell } from './tell.ts';
import { type Line, median } from './verdicts.ts';

const GIGABYTE = 1e9;
/** Share of its threads' time that a run has on a quiet machine, and more. */
const QUIET = 0.75;

/** Measures a pair; what fails is a row that says so. */
export async function pairLine(bench: Bench, pair: Pair): Promise<Line> {
  const { name, peerName, goal, results = 'same' } = pair;
  const measured = await (pair.kind === 'time' ? times(bench, pair) : memory(bench, pair)).catch(
    ({ message }: Error) => ({ failed: message }),
  );
  const { agreement, ...figures } = { agreement: undefined, ...measured };
  return {
    name,
    unit: pair.kind === 'time' ? 's' : 'GB',
    peerName,
    goal,
    same: results === 'same',
    ...(results === 'other' ? {} : { agreement }),
    ...figures,
  };
}

async function times(bench: Bench, pair: Pair) {
  const both = [await contender(bench, 'ours', { ...pair, variant: pair.ours })];
  if (bench.python !== undefined) both.push(await contender(bench, 'peer', { ...pair, variant: pair.peer }));
  const { times, agreement } = await timeInTurns(both, bench);
  if (times.some((own) => shareOfThreads(own, bench.threads) < QUIET))
    tell('the machine was busy, times mean little');
  const [ours, peer] = times.map(({ seconds }) => seconds);
  return { agreement, runs: { ours: ours!, peer }, ...compared(median(ours!), peer && median(peer)) };
}

async function memory(bench: Bench, pair: Pair) {
  // One after the other: pages of files that both map would count half for each.
  const ours = await peakOf(await contender(bench, 'ours', { ...pair, variant: pair.ours }), bench);
  if (bench.python === undefined) return compared(ours.bytes / GIGABYTE, undefined);
  const peer = await peakOf(await contender(bench, 'peer', { ...pair, variant: pair.peer }), bench);
  return compared(ours.bytes / GIGABYTE, peer.bytes / GIGABYTE);
}

const compared = (ours: number, peer: number | undefined) => ({ ours, peer, ratio: peer && ours / peer });

function shareOfThreads({ seconds, processorSeconds }: Times, threads: number): number {
  return median(processorSeconds) / median(seconds) / threads;
}
