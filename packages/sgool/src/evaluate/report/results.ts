/** @file The finished cells of an evaluation by suite, prompt, method and seed, and the values of their scores. */
import type { DoneCell } from '../cells/cell-record.ts';
import type { Evaluation } from '../cells/run-folder.ts';

/** A finished cell with its seed as text. */
export interface SeededCell {
  readonly seed: string;
  readonly cell: DoneCell;
}

/** A prompt of a suite and its finished cells. */
export interface PromptResults {
  readonly suite: string;
  readonly id: string;
  readonly text: string;
  readonly category?: string;
  /** By label, in the order of the seeds. A method without a finished cell has an empty list. */
  readonly byMethod: ReadonlyMap<string, readonly SeededCell[]>;
}

/** Where a figure belongs: a suite, or all of them; a category of the suite, or all of it. */
export interface Place {
  /** Absent for all suites together. */
  readonly suite?: string;
  readonly category?: string;
}

/** Prompts that figures are computed over. */
export interface Scope extends Place {
  readonly prompts: readonly PromptResults[];
}

/** Where the figures of a scope stand. */
export const placeOf = ({ suite, category }: Scope): Place => ({
  ...(suite === undefined ? {} : { suite }),
  ...(category === undefined ? {} : { category }),
});

/** Every prompt of an evaluation, in the order of its suites. */
export function promptResults({ manifest, cells }: Evaluation): PromptResults[] {
  const byPrompt = new Map<string, Map<string, SeededCell[]>>();
  for (const { suite, prompt, label, seed, record } of cells) {
    const key = JSON.stringify([suite, prompt]);
    const methods = byPrompt.get(key) ?? new Map<string, SeededCell[]>();
    byPrompt.set(key, methods);
    const seeded = methods.get(label) ?? [];
    methods.set(label, seeded);
    if (record?.status === 'done') seeded.push({ seed: String(seed), cell: record });
  }
  return manifest.suites.flatMap((suite) =>
    suite.prompts.map(({ id, text, category }) => ({
      suite: suite.name,
      id,
      text,
      ...(category === undefined ? {} : { category }),
      byMethod: byPrompt.get(JSON.stringify([suite.name, id])) ?? new Map(),
    })),
  );
}

/** Each suite; and, where there are several, all of them together, in which a text that two suites share counts once. */
export function suiteScopes(prompts: readonly PromptResults[]): Scope[] {
  const suites = [...new Set(prompts.map(({ suite }) => suite))];
  const scopes: Scope[] = suites.map((suite) => ({
    suite,
    prompts: prompts.filter((prompt) => prompt.suite === suite),
  }));
  if (suites.length === 1) return scopes;
  const once = new Map(prompts.toReversed().map((prompt) => [prompt.text, prompt]));
  return [...scopes, { prompts: prompts.filter((prompt) => once.get(prompt.text) === prompt) }];
}

/** The categories of a suite; none where its prompts have fewer than two. */
export function categoryScopes(scope: Scope): Scope[] {
  const categories = [...new Set(scope.prompts.flatMap(({ category }) => category ?? []))];
  if (scope.suite === undefined || categories.length < 2) return [];
  return categories.map((category) => ({
    suite: scope.suite,
    category,
    prompts: scope.prompts.filter((prompt) => prompt.category === category),
  }));
}

/** The score of a cell, or of one of its iterates; undefined where it has none. */
export function scoreOf({ scores }: Pick<DoneCell, 'scores'>, score: string): number | undefined {
  return scores[score] ?? undefined;
}

/** The values of a method for each prompt that has any, one per seed. */
export function valuesOf({ prompts }: Scope, label: string, score: string): number[][] {
  return prompts
    .map(({ byMethod }) => (byMethod.get(label) ?? []).flatMap(({ cell }) => scoreOf(cell, score) ?? []))
    .filter((values) => values.length > 0);
}

/** Two methods' cells of one prompt and seed. */
export interface Pair {
  readonly prompt: PromptResults;
  readonly seed: string;
  readonly before: DoneCell;
  readonly after: DoneCell;
}

/** The pairs of each prompt for which both methods have this score. */
export function pairsOf({ prompts }: Scope, before: string, after: string, score: string): Pair[][] {
  return prompts
    .map((prompt) => {
      const reference = new Map(prompt.byMethod.get(before)?.map(({ seed, cell }) => [seed, cell]));
      return (prompt.byMethod.get(after) ?? []).flatMap(({ seed, cell }) => {
        const other = reference.get(seed);
        const hasBoth =
          other !== undefined && scoreOf(other, score) !== undefined && scoreOf(cell, score) !== undefined;
        return hasBoth ? [{ prompt, seed, before: other, after: cell }] : [];
      });
    })
    .filter((pairs) => pairs.length > 0);
}

/** `after - before` of a pair. */
export function differenceOf({ before, after }: Pair, score: string): number {
  return (scoreOf(after, score) ?? Number.NaN) - (scoreOf(before, score) ?? Number.NaN);
}

/** `after - before` of each prompt that has a pair, one value per seed. */
export function differencesOf(scope: Scope, before: string, after: string, score: string): number[][] {
  return pairsOf(scope, before, after, score).map((pairs) => pairs.map((pair) => differenceOf(pair, score)));
}
