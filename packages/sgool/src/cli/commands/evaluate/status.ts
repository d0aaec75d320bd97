/** @file `sgool evaluate status <folder>`: how far an evaluation is, and what failed. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { planCells } from '../../../evaluate/cells/plan.ts';
import { readManifest } from '../../../evaluate/cells/run-folder.ts';
import { CellStore } from '../../../evaluate/store/cell-store.ts';
import type { Host } from '../../host.ts';
import { formatSeconds, formatTable, oneLine } from '../../terminal/format.ts';

export function configureStatus(parent: Command, host: Host): void {
  parent
    .command('status')
    .description('show how far an evaluation is, and what failed')
    .argument('<folder>', 'folder of the evaluation')
    .option('--json', 'print one JSON object on stdout')
    .action((folder: string, options: { json?: boolean }) =>
      status(resolve(host.cwd, folder), options, host),
    );
}

async function status(folder: string, { json = false }: { json?: boolean }, { stdout }: Host): Promise<void> {
  const manifest = await readManifest(folder);
  const store = CellStore.open(folder);
  try {
    store.reclaim();
    const counts = store.counts();
    const workers = store.workers();
    const places = new Map(planCells(manifest).map((planned) => [planned.id, planned]));
    const failures = store.failures().map(({ id, error, attempts, retry }) => {
      const planned = places.get(id);
      return {
        id,
        suite: planned?.suite,
        prompt: planned?.prompt,
        method: planned?.label,
        error,
        attempts,
        retry,
      };
    });
    const secondsLeft =
      (counts.meanSeconds * (counts.waiting + counts.running)) / Math.max(1, workers.length);
    if (json) {
      stdout.write(`${JSON.stringify({ folder, ...counts, workers, failures })}\n`);
      return;
    }
    const rows = (['waiting', 'running', 'done', 'failed', 'total'] as const).map((state) => [
      state,
      String(counts[state]),
    ]);
    stdout.write(`${formatTable(rows)}\n`);
    if (Number.isFinite(secondsLeft) && secondsLeft > 0)
      stdout.write(`about ${formatSeconds(secondsLeft)} left with ${Math.max(1, workers.length)} process\n`);
    for (const { suite, prompt, method, error, retry } of failures) {
      stdout.write(
        `failed: ${suite} ${prompt}, ${method}: ${oneLine(error)}${retry ? '' : ' (another attempt does not help)'}\n`,
      );
    }
  } finally {
    store.close();
  }
}
