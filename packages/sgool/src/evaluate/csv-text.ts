/** @file Tables as CSV. */

export type CsvValue = string | number | boolean | null | undefined;

/**
 * A table as RFC 4180 wants it: fields with commas, quotes, line ends or outer spaces are quoted, lines end with CR LF. A text that
 * a spreadsheet would run as a formula gets an apostrophe before it; numbers stay as they are.
 */
export function csvText(header: readonly string[], rows: readonly (readonly CsvValue[])[]): string {
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: CsvValue): string {
  const plain = String(value ?? '');
  const text = typeof value === 'string' && /^[=+@\t\r-]/.test(value) ? `'${plain}` : plain;
  return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
}
