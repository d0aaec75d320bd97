/** @file The outcome in files: as JSON, as a chart, and in the README. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { replaceBetween } from 'sgool/evaluate';
import { chartSvg } from './chart.ts';
import { outcomeTable } from './table.ts';
import { judged, type Line } from './verdicts.ts';

export interface Report {
  readonly machine: Readonly<Record<string, unknown>> & { readonly cpu: string };
  readonly threads: number;
  readonly repeats: number;
  readonly steps: number;
  readonly lines: readonly Line[];
}

const inRepository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const MARKERS = ['<!-- npm run bench: begin -->', '<!-- npm run bench: end -->'] as const;

export function reportText(report: Report): string {
  return `${JSON.stringify({ ...report, lines: judged(report.lines) }, null, 2)}\n`;
}

export function reportChart({ lines, threads, machine }: Report): string {
  const legend = 'black mark: goal; green: met, orange: not met';
  return chartSvg(judged(lines), `float32 unless named, ${threads} threads, ${machine.cpu}; ${legend}`);
}

/** The lines of `before`; those that were measured again are replaced, new ones come at the end. */
export function merged(before: readonly Line[], lines: readonly Line[]): Line[] {
  const same = (a: Line) => (b: Line) => a.name === b.name && a.peerName === b.peerName;
  return [
    ...before.map((line) => lines.find(same(line)) ?? line),
    ...lines.filter((line) => !before.some(same(line))),
  ];
}

/** Puts measured lines into docs/bench.json, docs/bench.svg and the README. */
export async function publish(report: Report): Promise<void> {
  const json = inRepository('docs/bench.json');
  const before = await readFile(json, 'utf8').then(
    (text) => (JSON.parse(text) as Report).lines,
    () => [],
  );
  const whole = { ...report, lines: merged(before, report.lines) };
  await writeFile(json, reportText(whole));
  await writeFile(inRepository('docs/bench.svg'), reportChart(whole));
  const readme = inRepository('README.md');
  const table = outcomeTable(judged(whole.lines));
  await writeFile(readme, replaceBetween(await readFile(readme, 'utf8'), MARKERS, `\n${table}\n`));
}
