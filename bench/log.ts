/** A line about what is going on, beside the outcome. */
export function tell(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
