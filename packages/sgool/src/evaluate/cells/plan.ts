/** @file The cells of an evaluation, in the order in which they are run. */
import type { Seed } from '../../random/seed.ts';
import { type Cell, cellId } from './cell.ts';
import type { EvaluatedMethod, EvaluatedSuite, Manifest } from './manifest.ts';

/** A cell and where it stands in the tables. Two entries may have the same cell: a prompt that two suites share. */
export interface PlannedCell {
  readonly id: string;
  readonly cell: Cell;
  /** Label of the method. */
  readonly label: string;
  /** Name of the suite. */
  readonly suite: string;
  /** Id of the prompt within its suite. */
  readonly prompt: string;
  readonly seed: Seed;
}

/**
 * Every cell of an evaluation. All methods of one prompt and seed follow each other, so that a run that is stopped has whole rows
 * of the comparison.
 */
export function planCells(manifest: Manifest): PlannedCell[] {
  const { suites, seeds, methods } = manifest;
  return suites.flatMap((suite) =>
    suite.prompts.flatMap((prompt) =>
      seeds.flatMap((seed) => methods.map((method) => plannedCell(manifest, suite, prompt, seed, method))),
    ),
  );
}

function plannedCell(
  { model }: Manifest,
  suite: EvaluatedSuite,
  prompt: EvaluatedSuite['prompts'][number],
  seed: Seed,
  { label, method, settings }: EvaluatedMethod,
): PlannedCell {
  const cell: Cell = { method, settings, model, prompt: prompt.text, negativePrompt: '', seed };
  return { id: cellId(cell), cell, label, suite: suite.name, prompt: prompt.id, seed };
}
