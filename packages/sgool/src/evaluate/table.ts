/** @file Tables and figures as text, for a terminal and for Markdown files. */

/** A Markdown table with aligned columns. The first column is aligned left, the others right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((w, i) => (i === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`)).join(' | ')} |`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

/** A figure with its sign, plus included. */
export function signed(value: number, digits: number): string {
  return `${value >= 0 ? '+' : ''}${value.toFixed(digits)}`;
}

/** A share (0 to 1) in percent. */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)}%`;
}

/**
 * Replaces the text between two markers of a document.
 *
 * @param markers such as `<!-- training -->` and `<!-- /training -->`; they stay
 * @throws RangeError where the document has no such markers in this order
 */
export function replaceBetween(
  document: string,
  [begin, end]: readonly [string, string],
  content: string,
): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new RangeError(`replaceBetween: the text has no ${begin} ... ${end}`);
  return `${document.slice(0, from + begin.length)}\n${content}\n${document.slice(to)}`;
}
