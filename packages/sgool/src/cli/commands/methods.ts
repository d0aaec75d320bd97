/** @file `sgool methods`: the methods, and the options that each has. */
import type { Command } from 'commander';
import { METHODS } from '../../methods/index.ts';
import type { Host } from '../host.ts';
import { formatTable } from '../terminal/format.ts';

const NOTES = `
With --json each method lists its settings by their keys (guidanceScale is
--guidance, others are --some-name).`;

export function configure(command: Command, { stdout }: Host): void {
  command
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action(({ json = false }: { json?: boolean }) => {
      const listed = METHODS.map(({ name, summary, settings }) => ({
        name,
        summary,
        settings: Object.keys(settings),
      }));
      const table = formatTable(METHODS.map(({ name, summary }) => [name, summary]));
      stdout.write(json ? `${JSON.stringify({ methods: listed })}\n` : `${table}\n`);
    });
}
