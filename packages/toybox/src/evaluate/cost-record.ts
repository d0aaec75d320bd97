/** @file The stored figures of `evaluate:cost`, as chart and as table. */

import { costChart } from './cost-chart.ts';
import { type CostReport, costTable } from './cost-report.ts';

/** What a run stores, beside the model and the requests. */
export interface CostRecord extends CostReport {
  readonly prompts: readonly string[];
  readonly firstSeed: number;
}

function titleOf({ prompts }: CostRecord): string {
  return `Alignment against UNet evaluations: ${prompts.length} held-out prompts of two things, Toybox`;
}

/** The chart as an SVG document. */
export function recordChart(record: CostRecord): string {
  const lines = Object.entries(record.variants).map(([name, { curve }]) => ({ name, curve }));
  return costChart(titleOf(record), lines, record.budget);
}

/** Title and table. */
export function recordText(record: CostRecord): string {
  const { firstSeed, prompts } = record;
  return `${titleOf(record)}, seeds ${firstSeed} to ${firstSeed + prompts.length - 1}\n\n${costTable(record)}\n`;
}
