/** @file `sgool evaluate rebuild <folder>`: makes the index of an evaluation again, of its files. */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { planCells } from '../../../evaluate/cells/plan.ts';
import { EVALUATION_FILES, readManifest } from '../../../evaluate/cells/run-folder.ts';
import { syncStore } from '../../../evaluate/run-evaluation.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';
import type { Host } from '../../host.ts';

export function configureRebuild(parent: Command, host: Host): void {
  parent
    .command('rebuild')
    .description('make the index of an evaluation again, of its files')
    .argument('<folder>', 'folder of the evaluation')
    .action((folder: string) => rebuild(resolve(host.cwd, folder), host));
}

async function rebuild(folder: string, { stderr }: Host): Promise<void> {
  const manifest = await readManifest(folder);
  const index = join(folder, EVALUATION_FILES.index);
  for (const ending of ['', '-wal', '-shm']) await rm(index + ending, { force: true });
  const store = CellStore.open(folder);
  try {
    await syncStore(folder, planCells(manifest), store);
    const { total, done, failed } = store.counts();
    stderr.write(`sgool: ${total} cells, ${done} done, ${failed} failed\n`);
  } finally {
    store.close();
  }
}
