/** @file What a fine-tuning leaves in its folder while it goes on, so that nothing that was trained is lost. */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { FineTuneState, FineTuneStep, FineTuning } from '../../finetune/separate-enhance.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import type { RunEstimate } from '../../methods/estimate.ts';
import { writeAdapter } from '../../weights/open/store-adapter.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { packageVersion } from '../version.ts';
import { LOSS_COLUMNS, lossesCsv, lossesSvg, lossRow } from './fine-tuning-curves.ts';
import { sampleSheet } from './fine-tuning-samples.ts';
import { STATE_FOLDER } from './output-folder.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

/** Names of the files. */
export const TRAINING_FILES = {
  adapter: 'adapter.safetensors',
  losses: 'losses.csv',
  curves: 'curves.svg',
  samples: 'samples.png',
} as const;

const STATE = 'finetune.safetensors';
/** Writing states takes this share of the time at most, as 1 of so many. */
const SAVE_PAUSE = 20;

/** A row of pictures, as the state keeps it. */
export interface SampleRow {
  readonly images: readonly Image[];
  readonly captions: readonly string[];
}

/** What `sgool resume` goes on from. */
export interface SavedTraining {
  /** Of the weights that were trained. */
  readonly fingerprint: string;
  readonly state: FineTuneState;
  /** A row of `LOSS_COLUMNS` for each step, one after the other. */
  readonly losses: Float64Array;
  readonly samples: readonly SampleRow[];
  readonly estimate?: RunEstimate;
}

const statePath = (dir: string) => join(dir, STATE_FOLDER, STATE);

/**
 * The state in the folder of a fine-tuning.
 *
 * @returns undefined where none was written
 * @throws UserError where it is damaged
 */
export async function readTraining(
  dir: string,
  exists: (path: string) => boolean,
): Promise<SavedTraining | undefined> {
  const path = statePath(dir);
  if (!exists(path)) return undefined;
  try {
    return (await readStateFile(path)) as SavedTraining;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `the state of the fine-tuning cannot be read: ${error.message}; without the folder ${STATE_FOLDER} it begins again`,
      { cause: error },
    );
  }
}

export class TrainingFolder {
  readonly dir: string;
  readonly #fineTuning: FineTuning;
  readonly #base: Awaited<ReturnType<FineTuning['base']>>;
  readonly #estimate: RunEstimate | undefined;
  readonly #rows: number[][];
  readonly #samples: SampleRow[];
  #saved = { at: Number.NEGATIVE_INFINITY, milliseconds: 0 };

  constructor(
    dir: string,
    fineTuning: FineTuning,
    base: Awaited<ReturnType<FineTuning['base']>>,
    { losses = new Float64Array(), samples = [], estimate }: Partial<SavedTraining>,
  ) {
    this.dir = dir;
    this.#fineTuning = fineTuning;
    this.#base = base;
    this.#estimate = estimate;
    const width = LOSS_COLUMNS.length;
    this.#rows = Array.from({ length: losses.length / width }, (_, i) => [
      ...losses.subarray(i * width, (i + 1) * width),
    ]);
    this.#samples = [...samples];
  }

  /** Whether there are pictures of this row already. */
  get sampled(): number {
    return this.#samples.length;
  }

  path(name: keyof typeof TRAINING_FILES): string {
    return join(this.dir, TRAINING_FILES[name]);
  }

  add(step: FineTuneStep): void {
    this.#rows.push(lossRow(step));
  }

  /** Whether it is time for a state. */
  isDue(): boolean {
    return performance.now() - this.#saved.at >= SAVE_PAUSE * this.#saved.milliseconds;
  }

  /** Writes the state. @throws UserError where the file system refuses; the state before is kept */
  async save(): Promise<void> {
    const began = performance.now();
    await makeFolders(join(this.dir, STATE_FOLDER));
    const state: SavedTraining = {
      fingerprint: this.#base.fingerprint,
      state: this.#fineTuning.state(),
      losses: Float64Array.from(this.#rows.flat()),
      samples: this.#samples,
      ...(this.#estimate && { estimate: this.#estimate }),
    };
    await writeStateFile(statePath(this.dir), state);
    this.#saved = { at: performance.now(), milliseconds: performance.now() - began };
  }

  /** Writes the adapter of the weights as they are now, and the losses so far. */
  async writeResults(method: string): Promise<void> {
    const { task } = this.#fineTuning;
    const { step } = this.#fineTuning.state();
    if (step === 0) return;
    const info = { method, step, base: this.#base, task: { ...task }, sgool: await packageVersion() };
    await writeAdapter(this.path('adapter'), this.#fineTuning.changes(), info);
    await writeFileAtomic(this.path('losses'), lossesCsv(this.#rows));
    const title = task.prompt ?? `pairs of ${task.concepts?.length} concepts`;
    await writeFileAtomic(this.path('curves'), lossesSvg(`${method}: ${title}`, this.#rows));
  }

  /** Adds pictures, and writes the sheet. */
  async addSamples(row: SampleRow): Promise<void> {
    this.#samples.push(row);
    await writeFileAtomic(this.path('samples'), encodePng(sampleSheet(this.#samples)));
  }
}
