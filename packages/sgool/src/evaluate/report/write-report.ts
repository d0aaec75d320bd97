/** @file Writing the report of an evaluation: a page, its figures and tables, and the summary. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { files } from '#platform';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { EVALUATION_FILES, type Evaluation } from '../cells/run-folder.ts';
import { type SummariseOptions, summarise } from './summarise.ts';
import type { Summary } from './summary.ts';

export interface ReportOptions extends SummariseOptions {
  /** Folder for the files; default `report` in the folder of the evaluation. */
  readonly out?: string;
  /** Bytes of pictures in the page at most; default 8 million. */
  readonly pictureBytes?: number;
  readonly signal?: AbortSignal;
}

export interface WrittenReport {
  readonly folder: string;
  /** Path of the page. */
  readonly page: string;
  readonly summary: Summary;
  /** Names of all files in the folder that belong to the report. */
  readonly files: readonly string[];
}

const SUMMARY = 'summary.json';
const PICTURE_BYTES = 8_000_000;

/**
 * Writes the report of an evaluation, whole or in part done: `index.html`, a page that needs no other file; its figures as
 * `*.svg` and `*.png`; its tables as `*.csv`; and all of its numbers as `summary.json`. Files of an earlier report are replaced.
 *
 * @throws UserError where `judge` may not judge, or the folder cannot be written
 */
export async function writeReport(
  evaluation: Evaluation,
  options: ReportOptions = {},
): Promise<WrittenReport> {
  const { signal, pictureBytes = PICTURE_BYTES } = options;
  const folder = options.out ?? join(evaluation.folder, EVALUATION_FILES.report);
  const summary = summarise(evaluation, options);
  // Charts and pictures need large libraries, which nothing else of an evaluation does.
  const { PAGE, reportFiles } = await import('./report-files.ts');
  await makeFolders(folder);
  const before = await filesOfReport(folder);
  const written: string[] = [];
  for await (const { name, data } of reportFiles(evaluation, summary, pictureBytes)) {
    signal?.throwIfAborted();
    await writeFileAtomic(join(folder, name), data);
    written.push(name);
  }
  const files = [...written, SUMMARY].toSorted();
  await writeFileAtomic(join(folder, SUMMARY), `${JSON.stringify({ ...summary, files }, undefined, 1)}\n`);
  for (const name of before) if (!files.includes(name)) await rm(join(folder, name), { force: true });
  return { folder, page: join(folder, PAGE), summary, files };
}

/** The files that an earlier report wrote, by its summary; none where there was none. Other files are not the report's. */
async function filesOfReport(folder: string): Promise<string[]> {
  try {
    const found: unknown = parseJson(
      await files.readText(join(folder, SUMMARY), SIZE_LIMITS.record),
      SUMMARY,
    );
    const names: unknown = typeof found === 'object' && found !== null && 'files' in found ? found.files : [];
    return Array.isArray(names)
      ? names.filter(
          (name): name is string => typeof name === 'string' && /^[A-Za-z0-9.-]+\.(svg|png|csv)$/.test(name),
        )
      : [];
  } catch {
    return [];
  }
}
