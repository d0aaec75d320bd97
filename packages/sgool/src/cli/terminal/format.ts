/** @file Numbers, lists and paths as people read them. */
import { relative } from 'node:path';

/** `1.9 s`, `42 s`, `3 min 05 s`, `2 h 04 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [unit, rest, large, small] =
    whole < 3600
      ? [Math.floor(whole / 60), whole % 60, 'min', 's']
      : [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), 'h', 'min'];
  return `${unit} ${large} ${String(rest).padStart(2, '0')} ${small}`;
}

/** `512 B`, `2.1 KB`, `24.0 MB`, in powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `860`, `12.4 k`, `4.2 M`, `1.1 G`. */
export function formatCount(count: number): string {
  if (count < 1000) return String(count);
  const units = ['k', 'M', 'G'];
  let unit = 0;
  let value = count / 1000;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Rows with their columns aligned to the left, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An argument as a POSIX shell takes it. */
export function quoteArgument(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The command that goes on with the run, or the series, in a folder. */
export const resumeCommand = (folder: string, where: { readonly cwd: string }): string =>
  `sgool resume ${quoteArgument(shownPath(folder, where))}`;

/** Text on one line. */
export const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ').trim();

/** A path as short as it can be: relative to `cwd` if it lies inside. */
export function shownPath(path: string, { cwd }: { readonly cwd: string }): string {
  const inside = relative(cwd, path);
  return inside === '' || inside.startsWith('..') ? path : inside;
}
