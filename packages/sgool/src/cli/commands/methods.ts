/** @file `sgool methods`: what there is to choose from, and what it costs. */
import type { Command } from 'commander';
import { METHOD_NAMES } from '../../request/request.ts';
import type { Host } from '../host.ts';
import { formatTable } from '../terminal/format.ts';

export function configure(command: Command, host: Host): void {
  command.option('--json', 'print one JSON object on stdout').action(async ({ json }: { json?: boolean }) => {
    const { methods } = await host.loadEngine();
    const listed = METHOD_NAMES.map((name) => ({ name, summary: methods[name].summary }));
    host.stdout.write(
      json
        ? `${JSON.stringify({ methods: listed })}\n`
        : `${formatTable(listed.map(({ name, summary }) => [name, summary]))}\n`,
    );
  });
}
