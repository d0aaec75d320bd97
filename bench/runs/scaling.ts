/** @file How memory and time of an iteration scale with its denoising steps: EDICT with its exact inverse, on Toybox. */
import { median } from 'sgool/evaluate';
import { type Bench, contender } from './contender.ts';
import { log } from './log.ts';
import { peakMemory, timeInTurns } from './measure.ts';
import type { Line } from './verdicts.ts';

const STEPS = [10, 50, 100] as const;
const RUNS = 7;
const TOYBOX = { folder: 'toybox', pixels: 128 };
const [FEW, MIDDLE, MANY] = STEPS;
export const SCALING_NAMES = {
  memory: `memory of an iteration, ${FEW} to ${MANY} steps`,
  time: `time of an iteration, ${FEW} to ${MANY} steps`,
} as const;

/** Memory must stay constant, and time must grow linearly. */
export async function scalingLines(bench: Bench): Promise<Line[]> {
  log(`iterations on Toybox with ${STEPS.join(', ')} steps`);
  const own = await Promise.all(
    STEPS.map((steps) =>
      contender(bench, 'ours', { workload: 'iteration', ...TOYBOX, steps, variant: 'edict, invertible' }),
    ),
  );
  const peaks: number[] = [];
  for (const one of own) peaks.push((await peakMemory(one, { ...bench, runs: 2 })).proportional / 1e9);
  // In turns, so that a machine that slows down does so for all.
  const { times } = await timeInTurns(own, { ...bench, repeats: RUNS });
  const seconds = times.map((each) => median(each.seconds));
  // On the straight line through the fewest and the most steps.
  const expected = seconds[0] + ((seconds[2] - seconds[0]) * (MIDDLE - FEW)) / (MANY - FEW);
  return [
    {
      name: SCALING_NAMES.memory,
      reference: 'itself',
      unit: 'GB',
      ours: peaks[2],
      peer: peaks[0],
      peerName: `itself, ${FEW} steps`,
      ratio: peaks[2] / peaks[0],
      goal: 1.03,
    },
    {
      name: SCALING_NAMES.time,
      reference: 'itself',
      unit: 's',
      ours: seconds[1],
      peer: expected,
      peerName: `straight line at ${MIDDLE} steps`,
      ratio: 1 + Math.abs(seconds[1] / expected - 1),
      goal: 1.05,
    },
  ];
}
