/** @file A contact sheet: for each prompt the images of all methods side by side, with the judge's verdict. */

import { arrangeImages, type Image } from 'sgool';
import type { Result } from './results.ts';

const COLUMNS = 5;

export interface SheetEntry {
  readonly result: Result;
  readonly image: Image;
}

/** @param rows one per prompt, each with the methods in the same order */
export function contactSheet(rows: readonly (readonly SheetEntry[])[]): Image {
  const groups = rows.map((row) =>
    arrangeImages(
      row.map(({ image }) => image),
      {
        captions: row.map(({ result: { method, judge } }) => {
          return `${method} ${judge.correct ? 'right' : 'WRONG'} ${judge.score.toFixed(2)}`;
        }),
        gap: 3,
      },
    ),
  );
  return arrangeImages(groups, {
    captions: rows.map((row) => row[0].result.prompt),
    columns: Math.max(1, Math.floor((2 * COLUMNS) / rows[0].length)),
    textColour: [0, 0, 0],
    gap: 10,
  });
}
