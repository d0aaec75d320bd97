/** @file `sgool evaluate merge <folder> <part...>`: puts the shares of an evaluation together. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { planCells } from '../../../evaluate/cells/plan.ts';
import { cellPaths, readManifest, readRecord } from '../../../evaluate/cells/run-folder.ts';
import { writeCell, writeRecord } from '../../../evaluate/cells/write-cell.ts';
import { syncStore } from '../../../evaluate/run-evaluation.ts';
import { claimEvaluation } from '../../../evaluate/setup/claim-evaluation.ts';
import { checkSameEvaluation } from '../../../evaluate/setup/manifest-of.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import type { Host } from '../../host.ts';
import { shownPath } from '../../terminal/format.ts';

export function configureMerge(parent: Command, host: Host): void {
  parent
    .command('merge')
    .description('put the shares of an evaluation (--shard) together in one folder')
    .argument('<folder>', 'folder for the whole')
    .argument('<part...>', 'folders of the shares')
    .action((folder: string, parts: readonly string[]) =>
      merge(
        resolve(host.cwd, folder),
        parts.map((part) => resolve(host.cwd, part)),
        host,
      ),
    );
}

async function merge(folder: string, parts: readonly string[], host: Host): Promise<void> {
  const manifests = await Promise.all(parts.map(readManifest));
  for (const [i, manifest] of manifests.entries()) checkSameEvaluation(parts[i], manifest, manifests[0]);
  let [whole] = manifests;
  // A score that was added to one share is one of the whole.
  for (const manifest of manifests) whole = await claimEvaluation(folder, manifest);
  const plan = planCells(whole);
  for (const id of new Set(plan.map((planned) => planned.id))) {
    for (const part of parts) await copyCell(part, folder, id);
  }
  const store = CellStore.open(
    folder,
    plan.map(({ id }) => id),
  );
  try {
    await syncStore(
      folder,
      store,
      whole.scores.map(({ name }) => name),
    );
    const { total, done, failed } = store.counts();
    host.stderr.write(`sgool: ${total} cells, ${done} done, ${failed} failed\n`);
    host.stdout.write(`${shownPath(folder, host)}\n`);
    const missing = total - done - failed;
    if (missing > 0)
      host.stderr.write(
        `sgool: ${missing} cells are in none of the parts; run them with: ${whole.command}\n`,
      );
  } finally {
    store.close();
  }
}

/** Copies the files of a cell; one that is done already stays. */
async function copyCell(from: string, to: string, id: string): Promise<void> {
  const [record, there] = [await readRecord(from, id), await readRecord(to, id)];
  if (record === undefined || there?.status === 'done') return;
  if (record.status === 'failed') {
    await writeRecord(to, record);
    return;
  }
  const png = await files
    .readBytes(cellPaths(from, id).image, SIZE_LIMITS.picture)
    .catch((error: unknown) => {
      throw new UserError(`${from}: the image of cell ${id.slice(0, 12)} is missing`, { cause: error });
    });
  await writeCell(to, { record, png });
}
