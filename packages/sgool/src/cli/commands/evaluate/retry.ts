/** @file `sgool evaluate retry <folder>`: lets what failed be run again. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readEvaluation } from '../../../evaluate/cells/run-folder.ts';
import { withoutFailedScores } from '../../../evaluate/cells/score-image.ts';
import { removeRecord, writeRecord } from '../../../evaluate/cells/write-cell.ts';
import type { Host } from '../../host.ts';
import { addQueueOption, type QueueFlags, retryFailed } from './on-queue.ts';
import { openIndex } from './open-index.ts';

export function configureRetry(parent: Command, host: Host): void {
  addQueueOption(parent.command('retry'))
    .description('let cells that failed, and scores that could not be given, be tried by the next run')
    .argument('<folder>', 'folder of the evaluation')
    .option(
      '--all',
      'also cells for which another attempt does not help by itself: wrong settings, values that are not finite, too little memory',
    )
    .action((folder: string, options: RetryFlags) => retry(resolve(host.cwd, folder), options, host));
}

interface RetryFlags extends Pick<QueueFlags, 'queue'> {
  readonly all?: boolean;
}

async function retry(folder: string, { all = false, queue }: RetryFlags, host: Host): Promise<void> {
  const { stderr } = host;
  if (queue !== undefined) {
    const count = await retryFailed(folder, queue, all, host);
    stderr.write(`sgool: ${count} cells wait in the queue again\n`);
    return;
  }
  const { manifest, cells } = await readEvaluation(folder);
  const store = await openIndex(
    folder,
    cells.map(({ id }) => id),
  );
  try {
    const ids = store.retry(all);
    for (const id of ids) await removeRecord(folder, id);
    const unscored = new Set<string>();
    for (const { id, record } of cells) {
      if (record?.status !== 'done' || record.notes === undefined || unscored.has(id)) continue;
      await writeRecord(folder, withoutFailedScores(record));
      unscored.add(id);
    }
    const kept = store.failures().length;
    const rest = kept === 0 ? '' : `; ${kept} would fail again, --all tries them, too`;
    const scored = unscored.size === 0 ? '' : `, ${unscored.size} images are scored again`;
    stderr.write(
      `sgool: ${ids.length} cells wait again${scored}${rest}; run them with: ${manifest.command}\n`,
    );
  } finally {
    store.close();
  }
}
