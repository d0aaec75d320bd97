/** @file A cell as a job of a queue: what it holds, how often it is tried, and in which queue it waits. */
import type { JobsOptions } from 'bullmq';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { PRECISION_NAMES } from '../../runtime/compute-names.ts';
import { cellForJson, cellSchema } from '../cells/cell.ts';
import type { Manifest } from '../cells/manifest.ts';
import type { PlannedCell } from '../cells/plan.ts';
import { clauseSchema } from '../suites/clause.ts';

/** Version of the job. A worker that knows only an older one leaves it to others. */
export const JOB_FORMAT = 2;

/** Parts of a model by the name of their option, which the command line knows. */
export const partsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const cellJobSchema = z.strictObject({
  format: z.literal(JOB_FORMAT),
  cell: cellSchema,
  /** Truth of the prompt, for the judge. */
  readings: z.array(z.array(clauseSchema)).optional(),
  /** Where its files go: an absolute path that workers share, or `s3://bucket/prefix`. */
  results: z.string(),
  /** Where it stands in the tables; for people. */
  place: z.string(),
  precision: z.enum(PRECISION_NAMES),
  /** Where parts of the model came from, and how its files are read. */
  parts: partsSchema,
  /** Scorers beside CLIP, as the command line has them. */
  scorers: z.array(z.string()),
  /** Names of all scores, with the hashes of their weights; empty for those that have none. */
  scores: z.record(z.string(), z.string()),
});
/** What a job holds. */
export type CellJob = z.output<typeof cellJobSchema>;

/** What is the same in all jobs of an evaluation. */
export const jobSetupSchema = cellJobSchema.pick({
  results: true,
  precision: true,
  scorers: true,
  scores: true,
  parts: true,
});
export type JobSetup = z.output<typeof jobSetupSchema>;

/** The jobs of cells, by id. A cell that stands in two suites is one job. */
export function cellJobs(
  manifest: Manifest,
  plan: readonly PlannedCell[],
  setup: JobSetup,
): Map<string, z.input<typeof cellJobSchema>> {
  const readingsOf = new Map(
    manifest.suites.flatMap(({ name, prompts }) =>
      prompts.map(({ id, readings }) => [`${name} ${id}`, readings] as const),
    ),
  );
  return new Map(
    plan.map(({ id, cell, suite, prompt, label }) => {
      const readings = readingsOf.get(`${suite} ${prompt}`);
      return [
        id,
        {
          format: JOB_FORMAT,
          cell: cellForJson(cell),
          ...(readings === undefined ? {} : { readings }),
          place: `${suite} ${prompt} ${label}`,
          ...setup,
        },
      ];
    }),
  );
}

/** How often a cell is tried: the second and third time help against a disk that was full and a machine that was busy. */
export const ATTEMPTS = 3;
/** Before the second attempt, in milliseconds; twice that before the third. */
export const BACKOFF_MS = 30_000;

/**
 * Options of the job of a cell. Its id is that of the cell, so that adding it again changes nothing; that holds as long as the job
 * is kept, so finished ones stay.
 */
export function jobOptions(id: string, backoff = BACKOFF_MS): JobsOptions {
  return {
    jobId: id,
    attempts: ATTEMPTS,
    backoff: { type: 'exponential', delay: backoff },
    removeOnComplete: false,
    removeOnFail: false,
    // An error's first line is enough: a stack of each attempt would fill the server.
    stackTraceLimit: 1,
  };
}

/** How workers hold jobs. */
export interface HoldTimes {
  /** For how long a job belongs to a worker that says nothing, in milliseconds. Renewed at half of it. */
  readonly lockDuration: number;
  /** How often workers look for jobs whose worker says nothing. */
  readonly stalledInterval: number;
  /** How often a job may be taken over from a dead worker before it counts as failed. */
  readonly maxStalledCount: number;
}

/**
 * `lockDuration`: a pullback of a large model can keep a process busy for tens of seconds; the renewal at 60 s still comes in time,
 * and a cell of minutes loses at most two to a dead machine. `stalledInterval`: each worker asks the server, so 1,000 of them
 * make 33 questions per second. `maxStalledCount`: a cell that kills its worker (memory) must not kill every worker there is, but
 * machines that are taken away at any time (spot instances) must not fail cells either.
 */
export const HOLD_TIMES: HoldTimes = { lockDuration: 120_000, stalledInterval: 30_000, maxStalledCount: 5 };

/** Device classes: each has a queue of its own, so that no worker takes what it cannot compute. */
const NAME = /^sgool-[a-z0-9][a-z0-9._-]{0,60}$/;

/** The queue of a device: `sgool-cpu`, `sgool-gpu`. */
export const queueOfDevice = (device: string): string => (device === 'cpu' ? 'sgool-cpu' : 'sgool-gpu');

/** A queue that the user names: `sgool-gpu-24g`. @throws UserError where it is no such name */
export function readQueueName(text: string): string {
  const name = text.trim().toLowerCase();
  if (NAME.test(name)) return name;
  throw new UserError(
    `--queue-name: not usable, got ${text || 'nothing'}; give sgool- and what a worker needs, for instance sgool-gpu-24g`,
    { exitCode: 2 },
  );
}
