/** @file `sgool evaluate report <folder>`: writes the report of an evaluation, whole or in part done. */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { UserError } from '../../../errors.ts';
import { readEvaluation } from '../../../evaluate/cells/run-folder.ts';
import {
  type ReportOptions,
  type WrittenReport,
  writeReport,
} from '../../../evaluate/report/write-report.ts';
import { printable } from '../../../evaluate/text.ts';
import type { Host } from '../../host.ts';
import { shownPath } from '../../terminal/format.ts';
import { watchInterrupts } from '../../terminal/interrupt.ts';
import { usageError } from '../../usage-error.ts';

const NOTES = `
The page index.html needs no other file and no script: the answer, tables with
intervals, charts, images, failures, and what is needed to run it again. Beside
it are the charts (SVG, PNG), the tables (CSV) and all numbers (summary.json).
An evaluation that still runs has a report of what is done.

Only a score that guided and selected no method judges. --judge chooses among
these; by default it is the judge of the suite's truth, then CLIP B and others.

Examples:
  sgool evaluate report sgool-output/evaluate-toybox
  sgool evaluate report sgool-output/evaluate-csp --judge image-reward --pictures 30`;

/** Megabytes of pictures that a page may hold: what a browser still opens. */
const MOST_PICTURES = 500;

interface ReportFlags {
  readonly judge?: string;
  readonly out?: string;
  readonly pictures?: string;
  readonly json?: boolean;
}

export function configureReport(parent: Command, host: Host): void {
  parent
    .command('report')
    .description('write the report of an evaluation: a page, charts and tables')
    .argument('<folder>', 'folder of the evaluation')
    .option('--judge <score>', 'the score that decides (default: the judge of the truth, then CLIP B)')
    .option('--out <folder>', 'folder for the report (default: report, in the folder of the evaluation)')
    .option('--pictures <mb>', 'megabytes of pictures in the page at most (default: 8)')
    .option('--json', 'print one JSON object on stdout: paths and the whole summary')
    .addHelpText('after', NOTES)
    .action((folder: string, flags: ReportFlags) => report(resolve(host.cwd, folder), flags, host));
}

async function report(folder: string, flags: ReportFlags, host: Host): Promise<void> {
  const interrupt = watchInterrupts(host, { onFirst: () => undefined, onForced: () => undefined });
  try {
    const options: ReportOptions = {
      signal: interrupt.signal,
      ...(flags.judge === undefined ? {} : { judge: flags.judge }),
      ...(flags.out === undefined ? {} : { out: resolve(host.cwd, flags.out) }),
      ...(flags.pictures === undefined ? {} : { pictureBytes: 1e6 * megabytes(flags.pictures) }),
    };
    const written = await writeReport(await readEvaluation(folder), options);
    if (flags.json) {
      const { page, summary, files } = written;
      host.stdout.write(`${JSON.stringify({ folder: written.folder, page, files, summary })}\n`);
      return;
    }
    sayReport(written, host);
    host.stdout.write(`${shownPath(written.page, host)}\n`);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new UserError('evaluate report: stopped', { exitCode: interrupt.exitCode, cause: error });
  } finally {
    interrupt.dispose();
  }
}

/** The answer, for a terminal. */
export function sayReport({ page, summary }: WrittenReport, { stderr }: Host): void {
  for (const sentence of summary.verdict) stderr.write(`${printable(sentence)}\n`);
  stderr.write(`sgool: the report is at ${pathToFileURL(page)}\n`);
}

function megabytes(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text.trim()) && value <= MOST_PICTURES) return value;
  throw usageError(
    `--pictures: not usable, got ${text || 'nothing'}; give megabytes from 0 up to ${MOST_PICTURES}`,
  );
}
