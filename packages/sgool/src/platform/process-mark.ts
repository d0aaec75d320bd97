/**
 * @file Naming a process so that another one can tell whether it still runs. A number alone does not say so: systems use the
 * numbers of dead processes again, and a folder on a network is seen from other machines. Node only.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, as a lock or the name of a temporary file gives it. */
export interface ProcessMark {
  /** Eight hexadecimal digits for the machine since its last start; on Linux also for the container. */
  readonly machine: string;
  readonly pid: number;
  /** When the process started, in the system's own unit; 0 where the system does not say (all but Linux). */
  readonly start: number;
}

/** What a file holds, or nothing where there is no such file. */
function textOf(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

const machine = createHash('sha256')
  .update(
    [
      hostname(),
      textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      // Two containers of one machine may both have a process 1.
      textOf(() => readlinkSync('/proc/self/ns/pid')),
    ].join('\n'),
  )
  .digest('hex')
  .slice(0, 8);

/** State and start of a process, where the system tells them. Reference: proc_pid_stat(5), fields 3 and 22 */
function statusOf(pid: number): { readonly state: string; readonly start: number } | undefined {
  const text = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = Number(fields[19]);
  return fields.length > 19 && Number.isSafeInteger(start) ? { state: fields[0], start } : undefined;
}

/** This process. */
export const ownMark: ProcessMark = { machine, pid: process.pid, start: statusOf(process.pid)?.start ?? 0 };

/** `1f2e3d4c-1234-567890` */
export const markText = ({ machine: where, pid, start }: ProcessMark): string => `${where}-${pid}-${start}`;

/** The mark that a text is, or undefined where it is none. */
export function parseMark(text: string): ProcessMark | undefined {
  const [, where, pid, start] = /^([0-9a-f]{8})-(\d{1,10})-(\d{1,15})$/.exec(text) ?? [];
  return where === undefined ? undefined : { machine: where, pid: Number(pid), start: Number(start) };
}

/**
 * Whether a process still runs.
 *
 * @returns undefined where nobody can know: it is on another machine, or its number is in use and the system does not say since when
 */
export function isAlive(mark: ProcessMark): boolean | undefined {
  if (mark.machine !== machine) return undefined;
  const status = statusOf(mark.pid);
  // A killed process stays in the list until its parent has asked for its exit code.
  if (status !== undefined) return status.start === mark.start && !/^[ZX]$/.test(status.state);
  if (!isRunning(mark.pid)) return false;
  return undefined;
}

/** Whether a process of this machine has this number. One of another user counts. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only tests whether the process exists
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
