/** @file Which process a run belongs to, written down so that others can tell whether it is still there. */
import { hostname, uptime } from 'node:os';
import { isAlive, markText, ownMark, parseMark } from '../../platform/process-mark.ts';

/** A process, as `run.json` names it while it runs. */
export interface ProcessRecord {
  readonly pid: number;
  /** When it started, as an ISO date. */
  readonly started: string;
  /** Name of its computer. */
  readonly host: string;
  /** What tells it from any other process: see `process-mark.ts`. */
  readonly mark: string;
}

const started = new Date(performance.timeOrigin).toISOString();

/** The process that this is. */
export const thisProcess = (): ProcessRecord => ({
  pid: process.pid,
  started,
  host: hostname(),
  mark: markText(ownMark),
});

/** Whether a process still runs; undefined where that cannot be known from here. */
export function stillRuns(record: ProcessRecord): boolean | undefined {
  const mark = parseMark(record.mark);
  const alive = mark && isAlive(mark);
  if (alive !== undefined || record.host !== hostname()) return alive;
  // It has ended with the system that it ran on, which has started anew since.
  if (Date.parse(record.started) < Date.now() - 1000 * uptime()) return false;
  // A process of its number runs, and the system does not say since when; or it is in another container of this computer.
  return mark?.machine === ownMark.machine ? true : undefined;
}

/** Whether a value read from a file is a record. */
export function isProcessRecord(value: unknown): value is ProcessRecord {
  const { pid, host, started, mark } = (value ?? {}) as Partial<Record<keyof ProcessRecord, unknown>>;
  return Number.isSafeInteger(pid) && [host, started, mark].every((one) => typeof one === 'string');
}
