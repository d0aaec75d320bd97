/** @file The files of a report: drawn and laid out, not yet written. */
import sharp from 'sharp';
import type { Evaluation } from '../cells/run-folder.ts';
import { csvFiles } from './csv.ts';
import { withFirstCandidates } from './equal-cost.ts';
import { drawFigures } from './figures/all.ts';
import { standalone } from './figures/compose.ts';
import { gallery, greatestChanges } from './gallery.ts';
import { page } from './page.ts';
import { Pictures } from './pictures.ts';
import type { Summary } from './summary.ts';

/** Name of the page. */
export const PAGE = 'index.html';
/** Pixels of a PNG for each pixel of its SVG, and the pixels per inch at which there is one. */
const PNG_SCALE = 3;
const SVG_DENSITY = 72;

/** A file of a report. */
export interface ReportFile {
  readonly name: string;
  readonly data: Uint8Array | string;
}

/** The figures, the tables, and last the page, which needs none of them. @param pictureBytes of the pictures in the page at most */
export async function* reportFiles(
  evaluation: Evaluation,
  summary: Summary,
  pictureBytes: number,
): AsyncGenerator<ReportFile> {
  const figures = drawFigures(withFirstCandidates(evaluation), summary);
  for (const figure of Object.values(figures).flat()) {
    const data = standalone(figure);
    yield { name: `${figure.name}.svg`, data };
    const png = sharp(Buffer.from(data), { density: PNG_SCALE * SVG_DENSITY })
      .flatten({ background: '#fff' })
      .png();
    yield { name: `${figure.name}.png`, data: await png.toBuffer() };
  }
  for (const [name, data] of Object.entries(csvFiles(evaluation, summary))) yield { name, data };
  const pictures = new Pictures(evaluation.folder, pictureBytes);
  // The changes first: they are few, and say more than a page of prompts.
  const changes = await greatestChanges(evaluation, summary, pictures);
  const data = page({ evaluation, summary, figures, changes, gallery: await gallery(evaluation, pictures) });
  yield { name: PAGE, data };
}
