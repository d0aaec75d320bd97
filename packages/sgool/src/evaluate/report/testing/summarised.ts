/** @file An evaluation with a known truth and its summary, and how tests change it. */
import type { DoneCell } from '../../cells/cell-record.ts';
import type { Manifest, ScoreInfo } from '../../cells/manifest.ts';
import type { EvaluatedCell, Evaluation } from '../../cells/run-folder.ts';
import { fakeEvaluation } from '../../testing.ts';
import { summarise } from '../summarise.ts';
import type { ComparisonRow, Summary } from '../summary.ts';

/** The evaluation with other records. What the change returns undefined for was not run. */
export function withRecords(
  evaluation: Evaluation,
  change: (record: DoneCell, cell: EvaluatedCell) => DoneCell | undefined,
): Evaluation {
  return {
    ...evaluation,
    cells: evaluation.cells.map(({ record, ...planned }) => {
      const changed = record?.status === 'done' ? change(record, planned) : record;
      return changed === undefined ? planned : { ...planned, record: changed };
    }),
  };
}

export const withManifest = (evaluation: Evaluation, change: Partial<Manifest>): Evaluation => ({
  ...evaluation,
  manifest: { ...evaluation.manifest, ...change },
});

export const withScore = (evaluation: Evaluation, name: string, change: Partial<ScoreInfo>) =>
  withManifest(evaluation, {
    scores: evaluation.manifest.scores.map((score) =>
      score.name === name ? { ...score, ...change } : score,
    ),
  });

export const scoreOf = (cell: EvaluatedCell, name: string) =>
  (cell.record?.status === 'done' ? cell.record.scores[name] : undefined) ?? Number.NaN;

export const comparisonOf = (rows: readonly ComparisonRow[], method: string, score: string) => {
  const found = rows.find(
    (row) =>
      row.method === method && row.score === score && row.category === undefined && row.suite === 'fake',
  );
  if (found === undefined) throw new Error(`no comparison of ${method} on ${score}`);
  return found;
};

/** A small evaluation whose truth is known. */
export interface Summarised {
  readonly fake: Evaluation;
  readonly summary: Summary;
  /** The same with what guides and what judges alone, and without categories: it is computed faster. */
  readonly lean: Evaluation;
}

/** Makes it in a folder. */
export async function summarised(folder: string): Promise<Summarised> {
  const fake = await fakeEvaluation(folder, { prompts: 16 });
  const lean = withManifest(fake, {
    scores: fake.manifest.scores.filter(({ name }) => name === 'clip_a' || name === 'judge'),
    suites: fake.manifest.suites.map((suite) => ({
      ...suite,
      prompts: suite.prompts.map(({ id, text }) => ({ id, text })),
    })),
  });
  return { fake, summary: summarise(fake), lean };
}

/** The prompts in two suites, of which they share the first. */
export function twoSuites(fake: Evaluation): Evaluation {
  const [suite] = fake.manifest.suites;
  const [first, ...rest] = suite.prompts;
  const parts = [
    { ...suite, prompts: [first, ...rest.slice(0, 7)] },
    { ...suite, name: 'other', prompts: [first, ...rest.slice(7)] },
  ];
  return {
    ...fake,
    manifest: { ...fake.manifest, suites: parts },
    cells: parts.flatMap(({ name, prompts }) =>
      fake.cells
        .filter(({ prompt }) => prompts.some(({ id }) => id === prompt))
        .map((cell) => ({ ...cell, suite: name })),
    ),
  };
}
