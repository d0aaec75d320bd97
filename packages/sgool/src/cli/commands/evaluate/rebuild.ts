/** @file `sgool evaluate rebuild <folder>`: makes the index of an evaluation again, of its files. */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import { planCells } from '../../../evaluate/cells/plan.ts';
import { cellPaths, EVALUATION_FILES, readManifest, readRecord } from '../../../evaluate/cells/run-folder.ts';
import { removeRecord } from '../../../evaluate/cells/write-cell.ts';
import { syncStore } from '../../../evaluate/run-evaluation.ts';
import { bytesSha256 } from '../../../evaluate/scores/weights-hash.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import type { Host } from '../../host.ts';
import { addQueueOption, type QueueFlags, updateFromQueue } from './on-queue.ts';

export function configureRebuild(parent: Command, host: Host): void {
  addQueueOption(parent.command('rebuild'))
    .description(
      'make the index of an evaluation again, of its files; images that do not fit their record are made again',
    )
    .argument('<folder>', 'folder of the evaluation')
    .action(async (folder: string, { queue }: Pick<QueueFlags, 'queue'>) => {
      const path = resolve(host.cwd, folder);
      if (queue !== undefined) await updateFromQueue(path, queue, host);
      await rebuild(path, host);
    });
}

async function rebuild(folder: string, { stderr }: Host): Promise<void> {
  const manifest = await readManifest(folder);
  const plan = [...new Set(planCells(manifest).map(({ id }) => id))];
  refuseBusy(folder);
  const index = join(folder, EVALUATION_FILES.index);
  for (const ending of ['', '-wal', '-shm']) await rm(index + ending, { force: true });
  let removed = 0;
  for (const id of plan) {
    if (await fits(folder, id)) continue;
    await removeRecord(folder, id);
    removed++;
  }
  if (removed > 0)
    stderr.write(`sgool: ${removed} images are missing or were changed; they are made again\n`);
  const store = CellStore.open(folder, plan);
  try {
    const scores = manifest.scores.map(({ name }) => name);
    const waiting = await syncStore(folder, store, scores);
    const { total, done, failed } = store.counts();
    stderr.write(`sgool: ${total} cells, ${done} done, ${failed} failed, ${waiting} to do\n`);
  } finally {
    store.close();
  }
}

/** @throws UserError where a process is at work; an index that is broken has none */
function refuseBusy(folder: string): void {
  let store: CellStore;
  try {
    store = CellStore.open(folder);
  } catch {
    return;
  }
  try {
    store.reclaim();
    const [worker] = store.workers();
    if (worker === undefined) return;
    throw new UserError(
      `${folder}: process ${worker.process} on ${worker.host} is at work in it; stop it first, or wait for it`,
    );
  } finally {
    store.close();
  }
}

/** Whether the image of a cell that is done is the one of its record. */
async function fits(folder: string, id: string): Promise<boolean> {
  const record = await readRecord(folder, id);
  if (record?.status !== 'done') return true;
  const image = await files
    .readBytes(cellPaths(folder, id).image, SIZE_LIMITS.picture)
    .catch(() => undefined);
  return image !== undefined && bytesSha256(image) === record.image.sha256;
}
