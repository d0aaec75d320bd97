/** @file Cells that cost nothing, and whose result is decided by their id: on any machine the same. */
import { createHash } from 'node:crypto';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../../../errors.ts';
import { encodePng } from '../../../image/png.ts';
import type { Cell } from '../../cells/cell.ts';
import type { Manifest } from '../../cells/manifest.ts';
import { type PlannedCell, planCells } from '../../cells/plan.ts';
import type { MadeCell } from '../../cells/run-cell.ts';
import { EVALUATION_FILES } from '../../cells/run-folder.ts';
import { fakeEvaluation } from '../../testing.ts';
import { type CellJob, cellJobs } from '../cell-job.ts';
import { Refusal, type WorkerParts } from '../cell-worker.ts';
import { folderResults } from '../results.ts';

export const FAKE_SCORES = ['clip_a', 'clip_b', 'judge', 'hps-v2.1'];

export interface FakeQueueEvaluation {
  readonly manifest: Manifest;
  readonly plan: readonly PlannedCell[];
  readonly jobs: ReturnType<typeof cellJobs>;
}

/** The manifest of an evaluation of which nothing has run yet. */
export async function fakePlan(
  folder: string,
  prompts: number,
  results = folder,
): Promise<FakeQueueEvaluation> {
  const { manifest } = await fakeEvaluation(folder, { prompts, seeds: 1, side: 4 });
  rmSync(join(folder, EVALUATION_FILES.cells), { recursive: true });
  const plan = planCells(manifest);
  const scores = Object.fromEntries(FAKE_SCORES.map((name) => [name, '']));
  return {
    manifest,
    plan,
    jobs: cellJobs(manifest, plan, { results, precision: 'float32', parts: {}, scorers: [], scores }),
  };
}

/** The result of a cell. */
export function fakeCell(id: string, cell: Cell): MadeCell {
  const digest = createHash('sha256').update(id).digest();
  const png = encodePng({
    width: 4,
    height: 4,
    data: Uint8Array.from({ length: 48 }, (_, i) => digest[i % 32]),
  });
  const scores = Object.fromEntries(FAKE_SCORES.map((name, i) => [name, digest[i] / 255]));
  return {
    png,
    record: {
      format: 1,
      id,
      cell,
      status: 'done',
      image: { sha256: createHash('sha256').update(png).digest('hex'), width: 4, height: 4 },
      noise: createHash('sha256').update(`${cell.prompt} ${cell.seed}`).digest('hex'),
      iteration: 0,
      iterations: 0,
      cost: { forward: 1, pullback: 0, flops: 1, seconds: 0 },
      scores,
      machine: 'fake',
      finished: '2026-01-02T03:04:05.000Z',
    },
  };
}

export interface FakeWorkerOptions {
  /** How long a cell takes, in milliseconds. */
  readonly milliseconds?: number;
  /** File to which the id of each cell is added when it is made. */
  readonly log?: string;
  /** What goes wrong with a cell, by a part of its prompt. */
  readonly failures?: Readonly<Record<string, 'wrong' | 'memory' | 'busy'>>;
  /** SHA-256 of the model that this worker has. */
  readonly model?: string;
}

const FAILURES = {
  wrong: () => new UserError('steps: not usable, got 0; give a whole number from 1 up to 1000'),
  memory: () => new Error('std::bad_alloc: out of memory'),
  busy: () => new Error('the device is busy'),
} as const;

/** What a worker of tests works with. */
export function fakeParts({
  milliseconds = 20,
  log,
  failures = {},
  model = 'f'.repeat(64),
}: FakeWorkerOptions): WorkerParts {
  return {
    now: () => new Date('2026-01-02T03:04:05.000Z'),
    results: async (job: CellJob) => {
      const results = folderResults(job.results);
      await results.check();
      return results;
    },
    async lane(_index, job) {
      if (job.cell.model.hash !== model)
        throw new Refusal(`model ${job.cell.model.name}: is another one here`);
      return {
        machine: 'fake',
        async run(id, { cell }, signal) {
          await wait(milliseconds, undefined, { signal }).catch(() => {
            throw signal.reason;
          });
          const [, failure] = Object.entries(failures).find(([part]) => cell.prompt.includes(part)) ?? [];
          if (log !== undefined) appendFileSync(log, `${id} ${process.pid}\n`);
          if (failure !== undefined) throw FAILURES[failure]();
          return fakeCell(id, cell);
        },
      };
    },
  };
}
