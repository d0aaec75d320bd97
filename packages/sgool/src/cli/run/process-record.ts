/** @file Which process a run belongs to, written down so that others can tell whether it is still there. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, as `run.json` names it while it runs. */
export interface ProcessRecord {
  readonly pid: number;
  /** When it started, as an ISO date. */
  readonly started: string;
  /** Name of its computer. */
  readonly host: string;
  /** What tells it from a later process with the same number, where the system says. */
  readonly instance?: string;
}

let own: ProcessRecord | undefined;

/** The process that this is. */
export function thisProcess(): ProcessRecord {
  own ??= describeOwn();
  return own;
}

function describeOwn(): ProcessRecord {
  const instance = instanceOf(process.pid);
  return {
    pid: process.pid,
    started: new Date(performance.timeOrigin).toISOString(),
    host: hostname(),
    ...(instance === undefined ? {} : { instance }),
  };
}

/** Whether a process still runs; undefined where it is on another computer. */
export function isAlive({ pid, host, instance }: ProcessRecord): boolean | undefined {
  if (host !== hostname()) return undefined;
  if (!exists(pid)) return false;
  return instance === undefined || instanceOf(pid) === instance;
}

function exists(pid: number): boolean {
  try {
    // Signal 0 only asks whether the process exists.
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * What a process is known by beside its number, which is given to another one later: when it started. Undefined where it has ended
 * or the system does not say.
 */
function instanceOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return linuxInstance(pid);
    if (process.platform === 'win32') return undefined;
    const ps = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
    return ps.trim();
  } catch {
    return undefined;
  }
}

/** Clock ticks from the start of the system to that of the process, and which start of the system. Reference: man 5 proc. */
function linuxInstance(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in brackets, may hold anything.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // It has ended, and its parent has not asked how yet.
  if (state === 'Z' || state === 'X') return undefined;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${fields[18]}@${boot}`;
}

/** Whether a value read from a file is a record. */
export function isProcessRecord(value: unknown): value is ProcessRecord {
  const { pid, host } = (value ?? {}) as Partial<Record<keyof ProcessRecord, unknown>>;
  return Number.isSafeInteger(pid) && (pid as number) > 0 && typeof host === 'string';
}
