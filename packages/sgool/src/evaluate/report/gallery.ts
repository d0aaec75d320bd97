/** @file What a page shows in pictures: prompts x methods, and the greatest changes against the reference. */
import { sum } from '../../numbers.ts';
import type { CellRecord, DoneCell } from '../cells/cell-record.ts';
import type { Evaluation } from '../cells/run-folder.ts';
import type { NoPicture, Picture, Pictures } from './pictures.ts';
import { differenceOf, type Pair, pairsOf, promptResults } from './results.ts';
import type { Summary } from './summary.ts';

/** A method's image of a prompt, or what there is in its place. */
export interface GalleryCell {
  readonly method: string;
  readonly record?: CellRecord;
  readonly picture?: Picture | NoPicture;
}

/** A prompt and seed under each method. */
export interface GalleryRow {
  readonly suite: string;
  readonly prompt: string;
  readonly text: string;
  readonly category?: string;
  readonly seed: string;
  readonly cells: readonly GalleryCell[];
}

export interface Gallery {
  readonly rows: readonly GalleryRow[];
  /** Prompts whose pictures did not fit. */
  readonly left: number;
}

/** A pair whose difference is among the greatest. */
export interface Change {
  readonly suite: string;
  readonly prompt: string;
  readonly text: string;
  readonly seed: string;
  readonly difference: number;
  readonly before: { readonly record: DoneCell; readonly picture?: Picture | NoPicture };
  readonly after: { readonly record: DoneCell; readonly picture?: Picture | NoPicture };
}

/** The changes of a method: rises from the greatest, falls from the greatest. */
export interface Changes {
  readonly method: string;
  readonly score: string;
  readonly best: readonly Change[];
  readonly worst: readonly Change[];
}

const SHOWN = 10;

/**
 * The greatest changes of each method by the first judge: at most ten rises and ten falls, without those within the margin of
 * ties.
 */
export async function greatestChanges(
  evaluation: Evaluation,
  summary: Summary,
  pictures: Pictures,
): Promise<Changes[]> {
  const score = summary.scores.find(({ name }) => name === summary.judges[0]);
  if (score === undefined) return [];
  const prompts = promptResults(evaluation);
  const sign = score.higherIsBetter ? 1 : -1;
  const all: Changes[] = [];
  for (const { label, firstOf } of summary.methods) {
    // Candidates that were not the last word have no stored pictures.
    if (label === summary.reference || firstOf !== undefined) continue;
    const pairs = pairsOf({ prompts }, summary.reference, label, score.name).flat();
    const gain = (pair: Pair) => sign * differenceOf(pair, score.name);
    const order = pairs.toSorted((a, b) => gain(b) - gain(a));
    const rises = order.filter((pair) => gain(pair) > score.tie).slice(0, SHOWN);
    const falls = order
      .toReversed()
      .filter((pair) => gain(pair) < -score.tie)
      .slice(0, SHOWN);
    all.push({
      method: label,
      score: score.name,
      best: await changesOf(rises, score.name, pictures),
      worst: await changesOf(falls, score.name, pictures),
    });
  }
  return all;
}

async function changesOf(pairs: readonly Pair[], score: string, pictures: Pictures): Promise<Change[]> {
  const changes: Change[] = [];
  for (const pair of pairs) {
    const [before, after] = await pictures.take([pair.before, pair.after]);
    changes.push({
      suite: pair.prompt.suite,
      prompt: pair.prompt.id,
      text: pair.prompt.text,
      seed: pair.seed,
      difference: differenceOf(pair, score),
      before: { record: pair.before, picture: before },
      after: { record: pair.after, picture: after },
    });
  }
  return changes;
}

/** The first seed of each prompt under each method, as far as the pictures fit; every category has its share. */
export async function gallery(evaluation: Evaluation, pictures: Pictures): Promise<Gallery> {
  const rows = galleryRows(evaluation);
  const shown = new Map<number, GalleryRow>();
  for (const i of fairOrder(rows.map(({ suite, category }) => JSON.stringify([suite, category])))) {
    const row = rows[i];
    const done = row.cells.flatMap(({ record }) => (record?.status === 'done' ? [record] : []));
    const taken = await pictures.take(done);
    if (taken.some((picture) => picture === 'over the limit')) break;
    const byId = new Map(done.map(({ id }, k) => [id, taken[k]]));
    shown.set(i, {
      ...row,
      cells: row.cells.map((cell) => {
        const picture = cell.record === undefined ? undefined : byId.get(cell.record.id);
        return picture === undefined ? cell : { ...cell, picture };
      }),
    });
  }
  return { rows: rows.flatMap((_, i) => shown.get(i) ?? []), left: rows.length - shown.size };
}

function galleryRows({ manifest, cells }: Evaluation): GalleryRow[] {
  const [first] = manifest.seeds;
  const byPlace = new Map<string, GalleryCell[]>();
  for (const { suite, prompt, seed, label, record } of cells) {
    if (seed !== first) continue;
    const key = JSON.stringify([suite, prompt]);
    const row = byPlace.get(key) ?? [];
    byPlace.set(key, row);
    row.push({ method: label, ...(record === undefined ? {} : { record }) });
  }
  return manifest.suites.flatMap((suite) =>
    suite.prompts.map(({ id, text, category }) => ({
      suite: suite.name,
      prompt: id,
      text,
      ...(category === undefined ? {} : { category }),
      seed: String(first),
      cells: byPlace.get(JSON.stringify([suite.name, id])) ?? [],
    })),
  );
}

/** Indices in an order that takes one of each group in turn. */
export function fairOrder(groups: readonly string[]): number[] {
  const seen = new Map<string, number>();
  const turns = groups.map((group) => {
    const turn = seen.get(group) ?? 0;
    seen.set(group, turn + 1);
    return turn;
  });
  return groups.map((_, i) => i).sort((a, b) => turns[a] - turns[b] || a - b);
}

/** Pictures that a page has left out because they did not fit. */
export function leftOut(
  changes: readonly Changes[],
  { left }: Gallery,
): { prompts: number; changes: number } {
  const isOver = ({ before }: Change) => before.picture === 'over the limit';
  return {
    prompts: left,
    changes: sum(changes.map(({ best, worst }) => [...best, ...worst].filter(isOver).length)),
  };
}
