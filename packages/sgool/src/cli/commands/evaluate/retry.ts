/** @file `sgool evaluate retry <folder>`: lets failed cells be run again. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readManifest } from '../../../evaluate/cells/run-folder.ts';
import { removeRecord } from '../../../evaluate/cells/write-cell.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';
import type { Host } from '../../host.ts';

export function configureRetry(parent: Command, host: Host): void {
  parent
    .command('retry')
    .description('let failed cells be run again by the next run of the same evaluation')
    .argument('<folder>', 'folder of the evaluation')
    .option(
      '--all',
      'also those for which another attempt does not help: wrong settings, values that are not finite',
    )
    .action((folder: string, options: { all?: boolean }) => retry(resolve(host.cwd, folder), options, host));
}

async function retry(folder: string, { all = false }: { all?: boolean }, { stderr }: Host): Promise<void> {
  const { command } = await readManifest(folder);
  const store = CellStore.open(folder);
  try {
    const ids = store.retry(all);
    for (const id of ids) await removeRecord(folder, id);
    stderr.write(`sgool: ${ids.length} cells wait again; run them with: ${command}\n`);
  } finally {
    store.close();
  }
}
