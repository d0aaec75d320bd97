/** @file The table of scores: its columns, its order, and how it is written. */
import { basename, extname } from 'node:path';
import { leastName } from '../../../evaluate/scores/network-of.ts';
import { SCORER_NAMES, SCORERS } from '../../../request/scorer-names.ts';
import { MODEL_CLIP } from '../../../request/wanted-scorer.ts';
import type { Host } from '../../host.ts';
import { didYouMean } from '../../options/suggest.ts';
import type { OutputTarget } from '../../run/write-output.ts';
import { formatTable, oneLine, shownPath } from '../../terminal/format.ts';
import { usageError } from '../../usage-error.ts';
import { areModelClips, type Wanted } from './scoring.ts';

/** An image with a prompt, and its scores by column. */
export interface Row {
  readonly image: string;
  readonly prompt: string;
  readonly scores: Readonly<Record<string, number>>;
  /** Of a clip: those of its frames. */
  readonly frames?: Readonly<Record<string, readonly number[]>>;
}

export const FORMATS = ['table', 'csv', 'jsonl'] as const;
export type Format = (typeof FORMATS)[number];

/** The format that was typed, else the one that the name of the file says. */
export function formatFor(format: string | undefined, target: OutputTarget | undefined): Format | undefined {
  if (format !== undefined) {
    const known = FORMATS.find((one) => one === format);
    if (known !== undefined) return known;
    throw usageError(
      `--format: not usable, got ${format || 'nothing'}; choose one of ${FORMATS.join(', ')}${didYouMean(format, FORMATS)}`,
    );
  }
  if (target === undefined) return undefined;
  if (!target.isPlain) return 'table';
  const ending = extname(target.path).toLowerCase();
  const known: Readonly<Record<string, Format>> = {
    '.csv': 'csv',
    '.jsonl': 'jsonl',
    '.ndjson': 'jsonl',
    '.txt': 'table',
  };
  if (known[ending] !== undefined) return known[ending];
  throw usageError(
    `--out: ${basename(target.path)} does not say its format; end it in ${Object.keys(known).join(', ')}, or give --format`,
  );
}

/** The scores of a list of columns that an image has: a value for each frame. */
export const knownScores = (
  columns: readonly string[],
  byFrame: Readonly<Record<string, readonly number[]>>,
): (readonly [column: string, values: readonly number[]])[] =>
  columns.flatMap((column) => {
    const values = byFrame[column];
    return values === undefined ? [] : [[column, values] as const];
  });

/** The columns of scores; those of clips have one more for the lowest frame. */
export const columnsOf = (wanted: readonly Wanted[]): string[] =>
  wanted.flatMap((one) => (areModelClips(one) ? [MODEL_CLIP, 'clip_b'] : [one.name]));

/** Digits behind the point of a score: those of the scales that are known. */
export function digitsOf(score: string): number {
  const known = SCORER_NAMES.find((name) => score === name || score === leastName(name));
  if (known !== undefined) return SCORERS[known].digits;
  return score.startsWith('clip') ? 2 : 4;
}

const SORT_NAMES = ['image', 'prompt', 'none'] as const;

export function checkSort(sort: string | undefined, columns: readonly string[]): void {
  const names = [...columns, ...columns.map(leastName), ...SORT_NAMES];
  if (sort === undefined || names.includes(sort)) return;
  throw usageError(
    `--sort: not usable, got ${sort || 'nothing'}; choose one of ${names.join(', ')}${didYouMean(sort, names)}`,
  );
}

/** The highest score first; texts by their letters. */
export function sortRows(rows: readonly Row[], by: string | undefined): readonly Row[] {
  if (by === undefined || by === 'none') return rows;
  if (by === 'image' || by === 'prompt')
    return rows.toSorted((a, b) => (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0));
  const value = ({ scores }: Row) => scores[by] ?? Number.NEGATIVE_INFINITY;
  return rows.toSorted((a, b) => value(b) - value(a));
}

export const rowForJson = ({ image, prompt, scores, frames }: Row) => ({
  image,
  prompt,
  ...scores,
  ...(frames && { frames }),
});

export function formatRows(
  rows: readonly Row[],
  columns: readonly string[],
  format: Format,
  host: Host,
): string {
  if (format === 'jsonl') return rows.map((row) => `${JSON.stringify(rowForJson(row))}\n`).join('');
  const used = columns
    .flatMap((column) => [column, leastName(column)])
    .filter((column) => rows.some(({ scores }) => column in scores));
  if (format === 'csv') {
    const cells = rows.map(({ image, prompt, scores }) => [
      image,
      prompt,
      ...used.map((column) => scores[column] ?? ''),
    ]);
    // RFC 4180: lines end in CR LF.
    return [['image', 'prompt', ...used], ...cells]
      .map((row) => `${row.map(csvCell).join(',')}\r\n`)
      .join('');
  }
  const hasPrompts = rows.some(({ prompt }) => prompt !== rows[0].prompt);
  const table = rows.map(({ image, prompt, scores }) => [
    ...used.map((column) => scores[column]?.toFixed(digitsOf(column)) ?? '-'),
    shownPath(image, host),
    ...(hasPrompts ? [oneLine(prompt)] : []),
  ]);
  return `${formatTable([[...used, 'image', ...(hasPrompts ? ['prompt'] : [])], ...table])}\n`;
}

function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
