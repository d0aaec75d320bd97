/** @file Writing the report of an evaluation: a page, its figures and tables, and the summary. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { EVALUATION_FILES, type Evaluation } from '../cells/run-folder.ts';
import { csvFiles } from './csv.ts';
import { drawFigures } from './figures/all.ts';
import { standalone, WIDTH } from './figures/compose.ts';
import { gallery, greatestChanges } from './gallery.ts';
import { page } from './page.ts';
import { Pictures } from './pictures.ts';
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

const PAGE = 'index.html';
const SUMMARY = 'summary.json';
const PICTURE_BYTES = 8_000_000;
/** Of the PNG files, in pixels. */
const PNG_WIDTH = 3 * WIDTH;
/** Pixels per inch at which a pixel of an SVG is one of the PNG. */
const SVG_DENSITY = 72;

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
  const { signal } = options;
  const folder = options.out ?? join(evaluation.folder, EVALUATION_FILES.report);
  const summary = summarise(evaluation, options);
  signal?.throwIfAborted();
  const figures = drawFigures(evaluation, summary);
  const pictures = new Pictures(evaluation.folder, options.pictureBytes ?? PICTURE_BYTES);
  // The changes first: they are few, and say more than a page of prompts.
  const changes = await greatestChanges(evaluation, summary, pictures);
  signal?.throwIfAborted();
  const content = {
    evaluation,
    summary,
    figures,
    changes,
    gallery: await gallery(evaluation, pictures),
  };
  signal?.throwIfAborted();
  await makeFolders(folder);
  const before = await filesOfReport(folder);
  const written: string[] = [];
  const write = async (name: string, data: Uint8Array | string) => {
    signal?.throwIfAborted();
    await writeFileAtomic(join(folder, name), data);
    written.push(name);
  };
  for (const figure of Object.values(figures).flat()) {
    const svg = standalone(figure);
    await write(`${figure.name}.svg`, svg);
    const density = (SVG_DENSITY * PNG_WIDTH) / WIDTH;
    await write(
      `${figure.name}.png`,
      await sharp(Buffer.from(svg), { density }).flatten({ background: '#fff' }).png().toBuffer(),
    );
  }
  for (const [name, text] of Object.entries(csvFiles(evaluation, summary))) await write(name, text);
  await write(PAGE, page(content));
  const files = [...written, SUMMARY].toSorted();
  await write(SUMMARY, `${JSON.stringify({ ...summary, files }, undefined, 1)}\n`);
  for (const name of before) if (!files.includes(name)) await rm(join(folder, name), { force: true });
  return { folder, page: join(folder, PAGE), summary, files };
}

/** The files that an earlier report wrote, by its summary; none where there was none. Other files are not the report's. */
async function filesOfReport(folder: string): Promise<string[]> {
  try {
    const found: unknown = JSON.parse(await readFile(join(folder, SUMMARY), 'utf8'));
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
