/** @file Figures that several stages share. */

/** Share of rows of `logits` [rows, columns] whose largest entry is in column `target(row)`. */
export function topOne(logits: Float32Array, columns: number, target: (row: number) => number): number {
  const rows = logits.length / columns;
  let hits = 0;
  for (let r = 0; r < rows; r++) {
    let best = 0;
    for (let c = 1; c < columns; c++) if (logits[r * columns + c] > logits[r * columns + best]) best = c;
    if (best === target(r)) hits++;
  }
  return hits / rows;
}
