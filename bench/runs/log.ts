/** @file Progress, on stderr; the outcome goes to stdout. */

export function log(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
