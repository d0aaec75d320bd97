/**
 * @file The index of an evaluation: which cells wait, run, are done, have failed. It is made of the files and can be made again;
 * several processes share it. A claim belongs to a worker that says every few seconds that it is alive.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { UserError } from '../../errors.ts';
import { isRunning } from '../../platform/process-mark.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { EVALUATION_FILES } from '../cells/run-folder.ts';

type Database = InstanceType<typeof DatabaseSync>;

/** Version of the tables. An older or broken index is made again; a newer one is refused. */
const STORE_VERSION = 1;

/** How long other processes are waited for that write at the moment. */
const BUSY_MS = 10_000;
/** A worker on another machine that has not said for this long that it is alive has lost its cells. */
export const STALE_MS = 60_000;
/**
 * The same for a worker of this machine whose process runs: it may be compiling a large network, which blocks it, or its number
 * may by now be that of another process.
 */
const STALE_HERE_MS = 15 * 60_000;
/** How often a worker says that it is alive. */
export const HEARTBEAT_MS = 5_000;

export const CELL_STATES = ['waiting', 'running', 'done', 'failed'] as const;
export type CellState = (typeof CELL_STATES)[number];

const SCHEMA = `
  CREATE TABLE cells (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    owner TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    retry INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE INDEX cells_by_state ON cells (state, position);
  CREATE TABLE workers (owner TEXT PRIMARY KEY, host TEXT NOT NULL, process INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT;
  PRAGMA user_version = ${STORE_VERSION};
`;

/** A worker: a process on a machine. */
export interface Worker {
  /** Unique among all processes of all machines. */
  readonly owner: string;
  readonly host: string;
  /** Process id. */
  readonly process: number;
}

/** This process as a worker. */
export function thisWorker(): Worker {
  const host = hostname();
  return {
    owner: `${host}/${process.pid}/${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`,
    host,
    process: process.pid,
  };
}

export interface CellCounts extends Readonly<Record<CellState, number>> {
  readonly total: number;
}

/** A cell that failed. */
export interface FailedRow {
  readonly id: string;
  readonly error: string;
  /** How often it has failed. */
  readonly attempts: number;
  readonly retry: boolean;
}

/** The index of an evaluation. Close it at the end. */
export class CellStore {
  readonly #database: Database;
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
    try {
      this.#database = new DatabaseSync(path);
    } catch (error) {
      throw new UserError(`${path}: cannot be opened: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * Opens the index of a folder, or makes one.
   *
   * @param plan ids of the cells that this process takes, counts and lists, in their order; they are added as waiting where they are
   *   not in the index yet. Default: all cells of the index
   * @throws UserError where a newer sgool wrote it, it is broken, or it cannot be written
   */
  static open(folder: string, plan?: readonly string[]): CellStore {
    const store = new CellStore(join(folder, EVALUATION_FILES.index));
    try {
      store.#prepare(plan && [...new Set(plan)]);
      return store;
    } catch (error) {
      store.close();
      throw error;
    }
  }

  #prepare(plan: readonly string[] | undefined): void {
    const database = this.#database;
    this.#named(() => {
      database.exec(
        `PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`,
      );
    });
    this.#exclusively(() => {
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as {
        user_version: number;
      };
      if (version > STORE_VERSION) {
        throw new UserError(
          `${this.#path}: a newer sgool made it (version ${version}), this one reads up to ${STORE_VERSION}`,
        );
      }
      if (version === 0) database.exec(SCHEMA);
      const which = plan === undefined ? '' : 'WHERE id IN (SELECT id FROM plan)';
      database.exec(
        `CREATE TEMP TABLE plan (id TEXT PRIMARY KEY) STRICT; CREATE TEMP VIEW mine AS SELECT * FROM cells ${which};`,
      );
      const insert = database.prepare(
        "INSERT INTO cells (id, position, state) VALUES (?, ?, 'waiting') ON CONFLICT (id) DO UPDATE SET position = excluded.position",
      );
      const note = database.prepare('INSERT INTO plan (id) VALUES (?)');
      for (const [position, id] of (plan ?? []).entries()) {
        insert.run(id, position);
        note.run(id);
      }
    });
  }

  /**
   * Notes what the files say: the record of a cell, or that it waits. A cell that a worker has in work is left to it, unless its
   * record is there.
   */
  note(id: string, record: CellRecord | undefined): void {
    const [query, ...values] = noted(record);
    this.#run(query, ...values, id);
  }

  /** Says that a worker is alive. Call it every {@link HEARTBEAT_MS}. */
  heartbeat({ owner, host, process: pid }: Worker, now: number = Date.now()): void {
    this.#run(
      'INSERT INTO workers (owner, host, process, seen) VALUES (?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET seen = excluded.seen',
      owner,
      host,
      pid,
      now,
    );
  }

  /**
   * Takes the next cell that waits.
   *
   * @returns its id and how often it has failed, or undefined where none waits
   */
  claim({ owner }: Worker): { readonly id: string; readonly attempts: number } | undefined {
    return this.#exclusively(
      () =>
        this.#database
          .prepare(
            `UPDATE cells SET state = 'running', owner = ?
             WHERE id = (SELECT id FROM mine WHERE state = 'waiting' ORDER BY position LIMIT 1) RETURNING id, attempts`,
          )
          .get(owner) as { id: string; attempts: number } | undefined,
    );
  }

  /** Gives a cell back that was not finished: it waits again. */
  release(id: string, { owner }: Worker): void {
    this.#run(
      "UPDATE cells SET state = 'waiting', owner = NULL WHERE id = ? AND owner = ? AND state = 'running'",
      id,
      owner,
    );
  }

  /** Whether a worker still has a cell. Another one may have taken it for dead, because the machine slept. */
  holds(id: string, { owner }: Worker): boolean {
    return (
      this.#all("SELECT 1 FROM cells WHERE id = ? AND owner = ? AND state = 'running'", id, owner).length > 0
    );
  }

  /**
   * Gives back the cells of workers that are dead: their process is gone, or they have not been heard of for {@link STALE_MS}.
   *
   * @returns how many cells wait again
   */
  reclaim(now: number = Date.now(), isAlive: (pid: number) => boolean = isRunning): number {
    return this.#exclusively(() => {
      const host = hostname();
      const workers = this.#database
        .prepare('SELECT owner, host, process, seen FROM workers')
        .all() as unknown as (Worker & {
        seen: number;
      })[];
      for (const worker of workers) {
        const silence = now - worker.seen;
        const isHere = worker.host === host;
        if (isHere ? isAlive(worker.process) && silence < STALE_HERE_MS : silence < STALE_MS) continue;
        this.#database.prepare('DELETE FROM workers WHERE owner = ?').run(worker.owner);
      }
      const { changes } = this.#database
        .prepare(
          "UPDATE cells SET state = 'waiting', owner = NULL WHERE state = 'running' AND owner NOT IN (SELECT owner FROM workers)",
        )
        .run();
      return Number(changes);
    });
  }

  /**
   * Lets failed cells wait again.
   *
   * @param all also those for which another attempt does not help
   * @returns their ids
   */
  retry(all: boolean): string[] {
    return this.#exclusively(() => {
      const rows = this.#database
        .prepare(
          `UPDATE cells SET state = 'waiting', owner = NULL, error = NULL WHERE state = 'failed' ${all ? '' : 'AND retry = 1'} RETURNING id`,
        )
        .all() as unknown as { id: string }[];
      return rows.map(({ id }) => id);
    });
  }

  /** Removes a worker that ends. */
  leave({ owner }: Worker): void {
    this.#run('DELETE FROM workers WHERE owner = ?', owner);
  }

  counts(): CellCounts {
    const rows = this.#all<{ state: CellState; count: number }>(
      'SELECT state, count(*) AS count FROM mine GROUP BY state',
    );
    const of = (state: CellState) => rows.find((row) => row.state === state)?.count ?? 0;
    const counts = { waiting: of('waiting'), running: of('running'), done: of('done'), failed: of('failed') };
    return { ...counts, total: counts.waiting + counts.running + counts.done + counts.failed };
  }

  /** States by id, in the order of the plan. */
  states(): ReadonlyMap<string, CellState> {
    const rows = this.#all<{ id: string; state: CellState }>('SELECT id, state FROM mine ORDER BY position');
    return new Map(rows.map(({ id, state }) => [id, state]));
  }

  failures(): FailedRow[] {
    const rows = this.#all<{ id: string; error: string | null; attempts: number; retry: number }>(
      "SELECT id, error, attempts, retry FROM mine WHERE state = 'failed' ORDER BY position",
    );
    return rows.map(({ id, error, attempts, retry }) => ({
      id,
      error: error ?? '',
      attempts,
      retry: retry === 1,
    }));
  }

  /** Workers that are at work. Call `reclaim` before, which removes those that are dead. */
  workers(): Worker[] {
    return this.#all<Worker & object>('SELECT owner, host, process FROM workers ORDER BY owner');
  }

  close(): void {
    this.#database.close();
  }

  #run(query: string, ...values: SqlValue[]): void {
    this.#named(() => this.#database.prepare(query).run(...values));
  }

  #all<Row extends object>(query: string, ...values: SqlValue[]): Row[] {
    return this.#named(() => this.#database.prepare(query).all(...values) as unknown as Row[]);
  }

  /** Runs `work` in a transaction that no other process writes in between. */
  #exclusively<T>(work: () => T): T {
    return this.#named(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Names the index in the errors of SQLite: a full disk, a broken file, a lock that another process holds for too long. */
  #named<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(
        `${this.#path}: cannot be used: ${(error as Error).message}; if it is broken, make it again with: sgool evaluate rebuild`,
        { cause: error },
      );
    }
  }
}

type SqlValue = string | number | null;

/** The query that notes a record in the row of a cell, and its values before the id. */
function noted(record: CellRecord | undefined): readonly [query: string, ...values: SqlValue[]] {
  if (record === undefined) {
    return ["UPDATE cells SET state = 'waiting', owner = NULL WHERE id = ? AND state IN ('done', 'failed')"];
  }
  if (record.status === 'done') {
    return [
      "UPDATE cells SET state = 'done', owner = NULL, error = NULL, attempts = 0, retry = 1 WHERE id = ?",
    ];
  }
  const { error, attempts, retry } = record;
  return [
    "UPDATE cells SET state = 'failed', owner = NULL, error = ?, attempts = ?, retry = ? WHERE id = ?",
    error,
    attempts,
    Number(retry),
  ];
}
