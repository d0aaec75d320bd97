/** @file The outcome as a bar chart: our figures as a share of the peer's, with the goal as a mark. */
import { barChart } from 'sgool/evaluate';
import { amount } from './table.ts';
import type { JudgedLine } from './verdicts.ts';

const COLOURS = { met: '#2e7d4f', 'NOT met': '#c0562b', 'results differ': '#7a1f1f', '': '#8fa1b8' } as const;
const TICKS = [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3];

/** An SVG image of the rows that were compared with a peer. */
export function chartSvg(lines: readonly JudgedLine[], subtitle: string): string {
  const bars = lines.flatMap(({ reference, name, peerName, ours, peer, ratio, unit, goal, verdict }) => {
    if (reference !== 'peer' || ours === undefined || peer === undefined || ratio === undefined) return [];
    return [
      {
        label: `${name} : ${peerName}`,
        value: ratio,
        colour: COLOURS[verdict],
        mark: verdict === '' ? undefined : goal,
        figures: `${ratio.toFixed(2)}  (${amount(ours, unit)} : ${amount(peer, unit)})`,
      },
    ];
  });
  return barChart({ title: 'sgool : PyTorch, less is better', subtitle, bars, ticks: TICKS, reference: 1 });
}
