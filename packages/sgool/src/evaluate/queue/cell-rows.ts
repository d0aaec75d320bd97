/** @file Results as rows of PostgreSQL, where that keeps the queue: one row for each cell, to be asked with SQL. */
import type { Pool } from 'pg';
import { cellForJson } from '../cells/cell.ts';
import type { CellRecord } from '../cells/cell-record.ts';

const CREATE = `
  CREATE SCHEMA IF NOT EXISTS sgool;
  CREATE TABLE IF NOT EXISTS sgool.cells (
    id text PRIMARY KEY,
    method text NOT NULL,
    model text NOT NULL,
    prompt text NOT NULL,
    seed numeric NOT NULL,
    status text NOT NULL,
    error text,
    scores jsonb,
    record jsonb NOT NULL,
    machine text NOT NULL,
    finished timestamptz NOT NULL
  );
  CREATE INDEX IF NOT EXISTS cells_by_method ON sgool.cells (method, model);
`;
/** Of the lock under which the table is made: any number that other programs do not take by chance. */
const LOCK = 1_936_158_575;

/**
 * The first row of a cell stays: a cell that is done twice changes nothing. Only a failed one is replaced, by what came of another
 * attempt.
 */
const ADD = `
  INSERT INTO sgool.cells (id, method, model, prompt, seed, status, error, scores, record, machine, finished)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (id) DO UPDATE SET
    status = excluded.status, error = excluded.error, scores = excluded.scores, record = excluded.record,
    machine = excluded.machine, finished = excluded.finished
  WHERE sgool.cells.status = 'failed' AND sgool.cells.record <> excluded.record`;

/** The table of results. */
export class CellRows {
  readonly #pool: Pick<Pool, 'query' | 'connect'>;

  constructor(pool: Pick<Pool, 'query' | 'connect'>) {
    this.#pool = pool;
  }

  /** Makes the table, if there is none. Several processes may do it at once. */
  async prepare(): Promise<void> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
      await client.query(CREATE);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  }

  /** Adds what is kept of a cell. */
  async add(record: CellRecord): Promise<void> {
    const { id, cell, status, machine, finished } = record;
    await this.#pool.query(ADD, [
      id,
      cell.method,
      cell.model.hash,
      // PostgreSQL has no NUL in texts.
      cell.prompt.replaceAll('\0', ''),
      String(cell.seed),
      status,
      status === 'failed' ? record.error : null,
      status === 'done' ? JSON.stringify(record.scores) : null,
      JSON.stringify({ ...record, cell: cellForJson(cell) }).replaceAll('\\u0000', ''),
      machine,
      finished,
    ]);
  }

  /** Forgets the row of a cell that is to be run again. */
  async remove(id: string): Promise<void> {
    await this.#pool.query('DELETE FROM sgool.cells WHERE id = $1', [id]);
  }
}
