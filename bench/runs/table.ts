/** @file The outcome as one table, and its figures as text. */
import { markdownTable } from 'sgool/evaluate';
import type { JudgedLine, Line, Unit } from './verdicts.ts';

export function outcomeTable(lines: readonly JudgedLine[]): string {
  return markdownTable(
    ['workload', 'peer', 'ours', 'theirs', 'ratio', 'goal', '', 'agreement'],
    lines.map((line) => [
      line.name,
      line.failed ? `${line.peerName}: ${line.failed}` : line.peerName,
      line.ours === undefined ? '' : amount(line.ours, line.unit),
      line.peer === undefined ? '' : amount(line.peer, line.unit),
      line.ratio === undefined ? '' : line.ratio.toFixed(2),
      goalText(line),
      line.verdict,
      line.agreement === undefined ? '' : line.agreement.toFixed(6),
    ]),
  );
}

/** One row, before all are judged. */
export function lineText({ name, peerName, failed, ours, peer, ratio, unit }: Line): string {
  const figures = [ours, peer].flatMap((value) => (value === undefined ? [] : amount(value, unit)));
  return `${name}, ${peerName}: ${failed ?? figures.join(' : ')}${ratio === undefined ? '' : `, ${ratio.toFixed(2)}`}`;
}

function goalText({ goal, sense, verdict }: JudgedLine): string {
  if (goal === undefined || verdict === '') return '';
  return `${sense === 'at least' ? '>=' : '<='} ${goal.toFixed(2)}`;
}

/** A figure with its unit. */
export function amount(value: number, unit: Unit): string {
  if (unit === '%') return `${(100 * value).toFixed(1)}%`;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}
