/**
 * @file The index of an evaluation: which cells wait, run, are done, have failed. It is made of the files and can be made again;
 * several processes share it. A claim belongs to a worker that says every few seconds that it is alive.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { UserError } from '../../errors.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { EVALUATION_FILES } from '../cells/run-folder.ts';

type Database = InstanceType<typeof DatabaseSync>;

/** Version of the tables. An older or broken index is made again; a newer one is refused. */
const STORE_VERSION = 1;

/** How long other processes are waited for that write at the moment. */
const BUSY_MS = 10_000;
/** A worker that has not said for this long that it is alive has lost its cells. */
export const STALE_MS = 60_000;
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
    retry INTEGER NOT NULL DEFAULT 1,
    seconds REAL
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
  /** Mean time of the cells that are done, in seconds; NaN for none. */
  readonly meanSeconds: number;
}

/** What another process may ask while an evaluation runs. */
export interface FailedRow {
  readonly id: string;
  readonly error: string;
  readonly attempts: number;
  readonly retry: boolean;
}

/** The index of an evaluation. Close it at the end. */
export class CellStore {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Opens the index of a folder, or makes one.
   *
   * @throws UserError where a newer sgool wrote it, or it cannot be written
   */
  static open(folder: string): CellStore {
    const path = join(folder, EVALUATION_FILES.index);
    const store = new CellStore(openDatabase(path));
    try {
      store.#prepare(path);
      return store;
    } catch (error) {
      store.close();
      if (error instanceof UserError) throw error;
      throw new UserError(
        `${path}: cannot be used: ${(error as Error).message}; remove it, it is made again of the files`,
        {
          cause: error,
        },
      );
    }
  }

  #prepare(path: string): void {
    const database = this.#database;
    database.exec(
      `PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`,
    );
    this.#exclusively(() => {
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as {
        user_version: number;
      };
      if (version > STORE_VERSION) {
        throw new UserError(
          `${path}: a newer sgool made it (version ${version}), this one reads up to ${STORE_VERSION}`,
        );
      }
      if (version === 0) database.exec(SCHEMA);
    });
  }

  /** Adds the cells of a plan that are not in the index yet, as waiting, in the order of the plan. */
  add(ids: readonly string[]): void {
    this.#exclusively(() => {
      const insert = this.#database.prepare(
        "INSERT INTO cells (id, position, state) VALUES (?, ?, 'waiting') ON CONFLICT (id) DO UPDATE SET position = excluded.position",
      );
      ids.forEach((id, position) => void insert.run(id, position));
    });
  }

  /** Notes what the files say: the record of a cell, or that there is none. */
  note(id: string, record: CellRecord | undefined): void {
    const database = this.#database;
    if (record === undefined) {
      database
        .prepare(
          "UPDATE cells SET state = 'waiting', owner = NULL WHERE id = ? AND state IN ('done', 'failed')",
        )
        .run(id);
    } else if (record.status === 'done') {
      database
        .prepare("UPDATE cells SET state = 'done', owner = NULL, error = NULL, seconds = ? WHERE id = ?")
        .run(record.cost.seconds, id);
    } else {
      database
        .prepare(
          "UPDATE cells SET state = 'failed', owner = NULL, error = ?, attempts = ?, retry = ? WHERE id = ?",
        )
        .run(record.error, record.attempts, Number(record.retry), id);
    }
  }

  /** Says that a worker is alive. Call it every {@link HEARTBEAT_MS}. */
  heartbeat({ owner, host, process: pid }: Worker, now: number = Date.now()): void {
    this.#database
      .prepare(
        'INSERT INTO workers (owner, host, process, seen) VALUES (?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET seen = excluded.seen',
      )
      .run(owner, host, pid, now);
  }

  /**
   * Takes the next cell that waits, and counts the attempt.
   *
   * @returns its id, or undefined where none waits
   */
  claim({ owner }: Worker): string | undefined {
    return this.#exclusively(() => {
      const row = this.#database
        .prepare(
          `UPDATE cells SET state = 'running', owner = ?, attempts = attempts + 1
           WHERE id = (SELECT id FROM cells WHERE state = 'waiting' ORDER BY position LIMIT 1) RETURNING id`,
        )
        .get(owner) as { id: string } | undefined;
      return row?.id;
    });
  }

  /** Gives a cell back that was not finished: it waits again, and the attempt does not count. */
  release(id: string, { owner }: Worker): void {
    this.#database
      .prepare(
        "UPDATE cells SET state = 'waiting', owner = NULL, attempts = attempts - 1 WHERE id = ? AND owner = ? AND state = 'running'",
      )
      .run(id, owner);
  }

  /** Whether a worker still holds a cell: it was not taken for dead meanwhile. */
  holds(id: string, { owner }: Worker): boolean {
    return (
      this.#database
        .prepare("SELECT 1 FROM cells WHERE id = ? AND owner = ? AND state = 'running'")
        .get(id, owner) !== undefined
    );
  }

  /**
   * Gives back the cells of workers that are dead: their process is gone, or they have not been heard of for {@link STALE_MS}.
   *
   * @returns how many cells wait again
   */
  reclaim(now: number = Date.now(), isAlive: (pid: number) => boolean = isRunning): number {
    return this.#exclusively(() => {
      const workers = this.#database
        .prepare('SELECT owner, host, process, seen FROM workers')
        .all() as unknown as (Worker & {
        seen: number;
      })[];
      const host = hostname();
      const alive = workers.filter(
        (worker) => now - worker.seen < STALE_MS && (worker.host !== host || isAlive(worker.process)),
      );
      for (const { owner } of workers) {
        if (!alive.some((worker) => worker.owner === owner)) {
          this.#database.prepare('DELETE FROM workers WHERE owner = ?').run(owner);
        }
      }
      const { changes } = this.#database
        .prepare(
          "UPDATE cells SET state = 'waiting', owner = NULL WHERE state = 'running' AND (owner IS NULL OR owner NOT IN (SELECT owner FROM workers))",
        )
        .run();
      return Number(changes);
    });
  }

  /** Lets failed cells wait again. @param all also those for which another attempt does not help @returns how many */
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
    this.#database.prepare('DELETE FROM workers WHERE owner = ?').run(owner);
  }

  counts(): CellCounts {
    const rows = this.#database
      .prepare('SELECT state, count(*) AS count FROM cells GROUP BY state')
      .all() as unknown as {
      state: CellState;
      count: number;
    }[];
    const of = (state: CellState) => rows.find((row) => row.state === state)?.count ?? 0;
    const { mean } = this.#database
      .prepare("SELECT avg(seconds) AS mean FROM cells WHERE state = 'done'")
      .get() as {
      mean: number | null;
    };
    const counts = { waiting: of('waiting'), running: of('running'), done: of('done'), failed: of('failed') };
    return {
      ...counts,
      total: counts.waiting + counts.running + counts.done + counts.failed,
      meanSeconds: mean ?? Number.NaN,
    };
  }

  /** States by id. */
  states(): ReadonlyMap<string, CellState> {
    const rows = this.#database.prepare('SELECT id, state FROM cells ORDER BY position').all() as unknown as {
      id: string;
      state: CellState;
    }[];
    return new Map(rows.map(({ id, state }) => [id, state]));
  }

  failures(): FailedRow[] {
    const rows = this.#database
      .prepare("SELECT id, error, attempts, retry FROM cells WHERE state = 'failed' ORDER BY position")
      .all() as unknown as { id: string; error: string | null; attempts: number; retry: number }[];
    return rows.map(({ id, error, attempts, retry }) => ({
      id,
      error: error ?? '',
      attempts,
      retry: retry === 1,
    }));
  }

  /** Workers that have been heard of lately. */
  workers(now: number = Date.now()): Worker[] {
    return this.#database
      .prepare('SELECT owner, host, process FROM workers WHERE seen > ?')
      .all(now - STALE_MS) as unknown as Worker[];
  }

  close(): void {
    this.#database.close();
  }

  /** Runs `work` in a transaction that no other process writes in between. */
  #exclusively<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function openDatabase(path: string): Database {
  try {
    return new DatabaseSync(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

/** Whether a process of this machine runs. One of another user does, too. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
