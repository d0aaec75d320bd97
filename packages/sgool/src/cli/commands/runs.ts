/** @file `sgool runs [folder]`: which runs there are, and how each stands. */
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import type { Host } from '../host.ts';
import { FILES } from '../run/output-folder.ts';
import type { ProcessRecord } from '../run/process-record.ts';
import { type ListedStatus, type RunFile, readRunFile } from '../run/run-file.ts';
import { formatTable, oneLine, resumeCommand, shownPath } from '../terminal/format.ts';

const DEFAULT_FOLDER = 'sgool-output';
/** How far below the folder runs are looked for. */
const MAX_DEPTH = 3;
const PROMPT_LENGTH = 40;

const NOTES = `
status is running, done, stopped (by Ctrl-C or a signal), failed, dead (its
process has ended without a word: killed, or the computer was switched off), or
unknown (it runs on another computer or in another container). Runs that are not
done go on with the command in the last column.

Without a folder the runs below ${DEFAULT_FOLDER} are listed. A series is one line;
give its folder to see its runs. The newest comes first.

Examples:
  sgool runs
  sgool runs experiments --json`;

export function configure(command: Command, host: Host): void {
  command
    .argument('[folder]', `folder of runs (default: ${DEFAULT_FOLDER})`)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((folder: string | undefined, { json = false }: { json?: boolean }) => list(folder, json, host));
}

/** A run or a series, as it is listed. */
interface ListedRun {
  readonly folder: string;
  readonly kind: 'run' | 'series';
  readonly status: ListedStatus;
  readonly started?: string;
  readonly prompt?: string;
  readonly method?: string;
  /** Iterations, runs of a series, or steps of a fine-tuning that are finished, and how many there are to be. */
  readonly finished: number;
  readonly total?: number;
  /** CLIP A of the best image. */
  readonly score?: number;
  readonly process?: ProcessRecord;
  /** The command that goes on with it. */
  readonly resume?: string;
}

async function list(given: string | undefined, json: boolean, host: Host): Promise<void> {
  const { stdout, stderr } = host;
  const root = resolve(host.cwd, given ?? DEFAULT_FOLDER);
  const found: RunFile[] = [];
  const problems: string[] = [];
  await collect(root, 0, found, problems, given === undefined);
  for (const problem of problems) stderr.write(`sgool: ${oneLine(problem)}\n`);
  const runs = found
    .map((file) => listed(file, host))
    .sort((a, b) => (b.started ?? '').localeCompare(a.started ?? '') || a.folder.localeCompare(b.folder));
  if (json) stdout.write(`${JSON.stringify({ runs })}\n`);
  else if (runs.length > 0) stdout.write(`${formatTable([HEADER, ...runs.map((run) => row(run, host))])}\n`);
  else stderr.write(`sgool: there are no runs in ${shownPath(root, host)}\n`);
}

/** The runs in a folder and below it. The runs of a series are found only where its own folder is `dir`. */
async function collect(
  dir: string,
  depth: number,
  found: RunFile[],
  problems: string[],
  mayBeMissing = false,
): Promise<void> {
  try {
    const file = await readRunFile(dir);
    const isSeries = file !== undefined && file.name !== FILES.run;
    if (file && (depth > 0 || !isSeries)) found.push(file);
    if (depth === MAX_DEPTH || (file && !(isSeries && depth === 0))) return;
    const entries = await readdir(dir, { withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory()) await collect(join(dir, entry.name), depth + 1, found, problems);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (depth === 0 && code === 'ENOENT' && mayBeMissing) return;
    const reason = code === 'ENOTDIR' ? 'it is no folder' : fileSystemReason(error);
    const message = error instanceof UserError ? error.message : reason && `cannot read ${dir}: ${reason}`;
    if (message === undefined) throw error;
    if (depth === 0) throw new UserError(message, { cause: error });
    problems.push(message);
  }
}

function listed({ dir, name, content, status, process }: RunFile, host: Host): ListedRun {
  const kind = name === FILES.run ? 'run' : 'series';
  const done = kind === 'run' ? itemsOf(content.iterations) : itemsOf(content.runs).filter(isMade);
  const { started, prompt, method, total, step, steps, request, clip, resume } = content as Record<
    string,
    unknown
  >;
  const isTraining = typeof step === 'number';
  const last = kind === 'series' ? total : isTraining ? steps : partOf(request, 'iterations');
  const score = partOf(partOf(clip, 'after'), 'A');
  const own = itemsOf(partOf(resume, 'prompts') ?? done.map((run) => partOf(run, 'prompt')));
  const shown = prompt ?? (own.length > 0 ? [...new Set(own)].join(' | ') : undefined);
  return {
    folder: dir,
    kind,
    status,
    ...(typeof started === 'string' ? { started } : {}),
    ...(typeof shown === 'string' ? { prompt: shown } : {}),
    ...(typeof method === 'string' ? { method } : {}),
    // Iteration 0 is the plain image.
    finished: kind === 'series' ? done.length : isTraining ? step : Math.max(0, done.length - 1),
    ...(typeof last === 'number' ? { total: last } : {}),
    ...(typeof score === 'number' ? { score } : {}),
    ...(process && { process }),
    ...(resume === undefined || status === 'done' || status === 'running'
      ? {}
      : { resume: resumeCommand(dir, host) }),
  };
}

const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const partOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
const isMade = (run: unknown) => partOf(run, 'status') === 'done';

const HEADER = ['status', 'started', 'method', 'done', 'CLIP', 'prompt', 'folder', 'to go on'];

function row(run: ListedRun, host: Host): string[] {
  const { status, started, method, kind, finished, total, score, prompt, folder, resume } = run;
  return [
    status,
    started === undefined ? '-' : localTime(new Date(started)),
    kind === 'series' ? kind : (method ?? '-'),
    total === undefined ? String(finished) : `${finished}/${total}`,
    score?.toFixed(2) ?? '-',
    shortened(prompt),
    shownPath(folder, host),
    resume ?? '-',
  ];
}

/** `2026-11-22 09:05`, as the user's clock shows it. */
function localTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function shortened(prompt = '-'): string {
  // Text from a file must not reach the terminal as anything but text.
  const line = oneLine(prompt).replace(/\p{C}/gu, '');
  return line.length <= PROMPT_LENGTH ? line : `${line.slice(0, PROMPT_LENGTH - 3)}...`;
}
