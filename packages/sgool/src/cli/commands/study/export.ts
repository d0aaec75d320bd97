/** @file `sgool study export <study>`: every line of the votes, as it was stored. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { exportLines } from '../../../evaluate/study/export-votes.ts';
import { readStudy } from '../../../evaluate/study/study.ts';
import type { Host } from '../../host.ts';

export function configureExport(parent: Command, host: Host): void {
  parent
    .command('export')
    .description('print all votes as JSON lines, with the methods that were on the sides')
    .argument('<study>', 'folder of the study')
    .action((folder: string) => exportVotes(resolve(host.cwd, folder), host));
}

async function exportVotes(folder: string, { stdout }: Host): Promise<void> {
  for (const line of await exportLines(folder, await readStudy(folder)))
    stdout.write(`${JSON.stringify(line)}\n`);
}
