/** @file A cell of an evaluation: one image, and everything that decides what it looks like. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readSeed, type Seed, seedForJson } from '../../random/seed.ts';

/** Version of the rules by which cells are identified; part of every id. */
const CELL_VERSION = 1;

/** A seed in a JSON file: exact, as a text where a number would not be. */
export const seedSchema = z.union([z.number(), z.string()]).transform((value, context): Seed => {
  const seed = readSeed(value);
  if (seed !== undefined && seed !== -1) return seed;
  context.addIssue({ code: 'custom', message: 'must be a whole number from 0 to 2^64 - 1' });
  return z.NEVER;
});

export const cellSchema = z.strictObject({
  /** Name of the method. */
  method: z.string(),
  /** All settings of the method, with the values that it runs with. */
  settings: z.record(z.string(), z.json()),
  /** The model's name as the command gave it, and the SHA-256 over the hashes of its weights. */
  model: z.strictObject({ name: z.string(), hash: z.string() }),
  prompt: z.string(),
  negativePrompt: z.string().default(''),
  seed: seedSchema,
});

/** One image of an evaluation, before it is made. */
export type Cell = z.output<typeof cellSchema>;

/**
 * The id of a cell: SHA-256, in hexadecimal, of everything that decides its image. It names the files of the cell, its row and
 * its job. The name under which the model was opened is no part of it, the hash of its weights is.
 */
export function cellId(cell: Cell): string {
  const { method, settings, model, prompt, negativePrompt, seed } = cell;
  const content = {
    version: CELL_VERSION,
    method,
    settings,
    model: model.hash,
    prompt,
    negativePrompt,
    seed: String(seed),
  };
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** The cell as it is written to a file. */
export function cellForJson(cell: Cell): z.input<typeof cellSchema> {
  return { ...cell, seed: seedForJson(cell.seed) };
}

/** JSON whose keys are sorted at every depth, so that equal values have equal texts. Keys without a value are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : item,
  );
}
