/** @file Reading what a run or a series says of itself, and taking over the folder of one that does not run any more. */
import { rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { disk } from '#platform';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import {
  createFile,
  sweepOwnSync,
  writeFileAtomic,
  writeFileAtomicSync,
} from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { FILES, ITERATIONS_FOLDER, type OutputFolder, SERIES_FILES, STATE_FOLDER } from './output-folder.ts';
import { isProcessRecord, type ProcessRecord, stillRuns, thisProcess } from './process-record.ts';

/** The record of a run or a series, as it lies on the disk. */
export interface RunFile {
  /** Absolute path of the folder. */
  readonly dir: string;
  /** Name of the file: `run.json`, or `summary.json` of a series. */
  readonly name: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly status: ListedStatus;
  /** The process that it belongs to, unless it has ended properly. */
  readonly process?: ProcessRecord;
}

/** `dead`: it says that it runs, but its process has ended. `unknown`: that process cannot be asked, as on another computer. */
export const LISTED_STATUSES = ['running', 'unknown', 'dead', 'stopped', 'failed', 'done'] as const;
/** How a run stands. */
export type ListedStatus = (typeof LISTED_STATUSES)[number];

/**
 * The record in a folder.
 *
 * @returns undefined where there is none
 * @throws UserError where it cannot be read
 */
export async function readRunFile(dir: string): Promise<RunFile | undefined> {
  for (const name of [FILES.run, SERIES_FILES.summary]) {
    const path = join(dir, name);
    const written = disk.readText(path, SIZE_LIMITS.record);
    if (written === undefined) continue;
    // A process that was killed in the moment in which it took the folder.
    if (written.trim() === '') return { dir, name, content: {}, status: 'dead' };
    const content = parseJsonObject(written, path);
    if (typeof content.status !== 'string') {
      throw new UserError(`${path}: its record is not that of a run of sgool`);
    }
    return { dir, name, content, ...standing(content) };
  }
  return undefined;
}

function standing(content: Readonly<Record<string, unknown>>): Pick<RunFile, 'status' | 'process'> {
  const { status, process } = content;
  if (status !== 'running') {
    return { status: LISTED_STATUSES.find((one) => one === status) ?? 'failed' };
  }
  // Versions before this one did not write it.
  if (!isProcessRecord(process)) return { status: 'dead' };
  const alive = stillRuns(process);
  return { status: alive === undefined ? 'unknown' : alive ? 'running' : 'dead', process };
}

/** A run that this process has taken over. */
export interface TakenRun {
  readonly file: RunFile;
  /** Its `release` says of it that it was stopped. */
  readonly folder: OutputFolder;
  /** Lets another process take it over. */
  giveBack(): void;
}

const CLAIM = /^claim-(\d+)\.json$/;
/** How long a process may take between making a claim and writing into it. */
const CLAIM_MS = 10_000;

/**
 * Takes over the folder of a run for this process. Of several processes that try it at once, one succeeds.
 *
 * @param force take it even from a process on another computer, which cannot be asked
 * @throws UserError where its process still runs
 */
export async function takeOver(dir: string, { force }: { readonly force: boolean }): Promise<TakenRun> {
  const state = join(dir, STATE_FOLDER);
  let own: string | undefined;
  try {
    await makeFolders(state);
    const numbers = (await readdir(state)).flatMap((name) => CLAIM.exec(name)?.slice(1).map(Number) ?? []);
    const last = Math.max(0, ...numbers);
    const lastClaim = join(state, `claim-${last}.json`);
    if (last > 0 && isClaimed(lastClaim, force)) throw isTakenOver(dir);
    const next = join(state, `claim-${last + 1}.json`);
    if (!(await createFile(next, text(thisProcess())))) throw isTakenOver(dir);
    own = next;
  } catch (error) {
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write to the folder ${dir}: ${reason}`, { cause: error });
  }
  const giveBack = () => rmSync(own ?? '', { force: true });
  try {
    // Read again: it may have been finished in between.
    const file = await readRunFile(dir);
    if (!file || file.status === 'done') throw new UserError(`${dir}: was finished by another process`);
    refuseLiving(file, force);
    const { error: _, ...content } = file.content;
    const path = join(dir, file.name);
    await writeFileAtomic(path, text({ ...content, status: 'running', process: thisProcess() }));
    return { file, folder: { dir, release: () => markAsStopped(path) }, giveBack };
  } catch (error) {
    giveBack();
    throw error;
  }
}

const text = (content: unknown) => `${JSON.stringify(content, null, 2)}\n`;
const isTakenOver = (dir: string) => new UserError(`${dir}: another process goes on with it`);

function isClaimed(path: string, force: boolean): boolean {
  const record = contentOf(path);
  if (!isProcessRecord(record)) return Date.now() - statSync(path).mtimeMs < CLAIM_MS;
  return stillRuns(record) ?? !force;
}

/** @throws UserError where the process of a run still lives, or may */
export function refuseLiving({ dir, status, process }: RunFile, force: boolean): void {
  if (status === 'running') {
    throw new UserError(`${dir}: still runs, as process ${process?.pid}; stop that one first`);
  }
  if (status === 'unknown' && !force) {
    throw new UserError(
      `${dir}: runs as process ${process?.pid} on the computer ${process?.host}, which cannot be asked from here; if it has ended there, add --force`,
    );
  }
}

/** Says of a run that could not go on that it does not run. At once: the process may be about to end. */
export function markAsStopped(path: string): void {
  const { process: _, ...content } = contentOf(path) ?? {};
  writeFileAtomicSync(path, text({ ...content, status: 'stopped' }));
}

/** What a record or a claim holds; nothing where it is half-written, or gone. */
function contentOf(path: string): Record<string, unknown> | undefined {
  try {
    const written = disk.readText(path, SIZE_LIMITS.record);
    return written === undefined ? undefined : parseJsonObject(written, path);
  } catch {
    return undefined;
  }
}

/**
 * Finishes the records of runs whose thread cannot do it any more, and removes the files that it was about to write. What cannot be
 * written stays as it is: the process is about to end, and its record names it.
 */
export function finishRecords(records: Iterable<string>, status: 'stopped' | 'failed', error?: string): void {
  for (const record of records) {
    const folder = dirname(record);
    for (const dir of [folder, join(folder, STATE_FOLDER), join(folder, ITERATIONS_FOLDER)])
      sweepOwnSync(dir);
    const { process: _, ...content } = contentOf(record) ?? {};
    if (content.status !== 'running') continue;
    try {
      writeFileAtomicSync(record, text({ ...content, status, ...(error === undefined ? {} : { error }) }));
    } catch {
      // See above.
    }
  }
}
