/** @file `sgool evaluate status <folder>`: how far an evaluation is, and what failed. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readEvaluation } from '../../../evaluate/cells/run-folder.ts';
import { CELL_STATES } from '../../../evaluate/store/cell-store.ts';
import type { Host } from '../../host.ts';
import { formatSeconds, formatTable, oneLine, quoteArgument } from '../../terminal/format.ts';
import { addQueueOption, type QueueFlags, type QueueState, updateFromQueue } from './on-queue.ts';
import { openIndex } from './open-index.ts';
import { CellPace } from './progress.ts';

export function configureStatus(parent: Command, host: Host): void {
  addQueueOption(parent.command('status'))
    .description('show how far an evaluation is, and what failed')
    .argument('<folder>', 'folder of the evaluation')
    .option('--json', 'print one JSON object on stdout')
    .action((folder: string, options: StatusFlags) => status(resolve(host.cwd, folder), options, host));
}

interface StatusFlags extends Pick<QueueFlags, 'queue'> {
  readonly json?: boolean;
}

async function status(folder: string, { json = false, queue: url }: StatusFlags, host: Host): Promise<void> {
  const { stdout } = host;
  const queue = url === undefined ? undefined : await updateFromQueue(folder, url, host);
  const { manifest, cells } = await readEvaluation(folder);
  const store = await openIndex(
    folder,
    cells.map(({ id }) => id),
  );
  try {
    const counts = store.counts();
    const workers = store.workers();
    const states = store.states();
    const pace = new CellPace();
    for (const { label, record } of cells)
      if (record?.status === 'done') pace.add(label, record.cost.seconds);
    const open = cells.filter(({ id }) => states.get(id) === 'waiting' || states.get(id) === 'running');
    const secondsLeft = pace.secondsLeft(open, workers.length);
    const places = new Map(cells.map((cell) => [cell.id, cell]));
    const failures = store.failures().map(({ id, ...failure }) => {
      const cell = places.get(id);
      return {
        id,
        suite: cell?.suite,
        prompt: cell?.prompt,
        seed: String(cell?.seed),
        method: cell?.label,
        ...failure,
      };
    });
    const notes = cells.flatMap(({ id, suite, prompt, label, record }) =>
      record?.status === 'done' && record.notes !== undefined
        ? [{ id, suite, prompt, method: label, notes: record.notes }]
        : [],
    );
    if (json) {
      const left = secondsLeft === undefined ? {} : { secondsLeft };
      stdout.write(
        `${JSON.stringify({ folder, ...counts, ...left, workers, failures, notes, ...(queue && { queue }) })}\n`,
      );
      return;
    }
    const rows = [...CELL_STATES, 'total' as const].map((state) => [state, String(counts[state])]);
    stdout.write(`${formatTable(rows)}\n`);
    if (queue !== undefined) stdout.write(`${queueLine(queue)}\n`);
    for (const { process: pid, host } of workers) stdout.write(`at work: process ${pid} on ${host}\n`);
    if (secondsLeft !== undefined && secondsLeft > 0) {
      stdout.write(`about ${formatSeconds(secondsLeft)} left with ${Math.max(1, workers.length)} at work\n`);
    }
    for (const { suite, prompt, method, error, retry } of failures) {
      const hint = retry ? '' : ' (another attempt does not help)';
      stdout.write(`failed: ${suite} ${prompt}, ${method}: ${oneLine(error)}${hint}\n`);
    }
    for (const { suite, prompt, method, notes: lines } of notes) {
      stdout.write(`not scored: ${suite} ${prompt}, ${method}: ${lines.map(oneLine).join('; ')}\n`);
    }
    if (failures.length + notes.length > 0)
      stdout.write(`try again with: sgool evaluate retry ${quoteArgument(folder)}\n`);
    if (counts.waiting > 0) stdout.write(`go on with: ${manifest.command}\n`);
  } finally {
    store.close();
  }
}

const queueLine = ({ name, server, waiting, active, delayed, failed, workers }: QueueState) =>
  `queue ${name} on ${server}: ${waiting} waiting, ${active} running, ${delayed} to be tried again, ${failed} failed, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
