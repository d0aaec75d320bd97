/**
 * @file What a run leaves beside its results so that it can go on: the folder `state`, which is removed when the run is finished.
 *
 * `run.safetensors` is the state after an iteration, written whole or not at all. The images of earlier iterations that it needs are files
 * of their own, each written once, before the state that names it, and removed after the first state that does not.
 */
import { rmSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { RunEstimate } from '../../methods/estimate.ts';
import type { Iteration, MethodState } from '../../methods/run/iteration.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import type { FrameKeeperState } from './images.ts';
import { STATE_FOLDER } from './output-folder.ts';
import type { IterationNumbers } from './run-record.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

const ROOT = 'run.safetensors';
/**
 * Flushing to the disk takes this share of the time at most, as 1 of so many. A state that was not flushed outlives its process, but maybe
 * not its machine; the checksum tells.
 */
const FLUSH_PAUSE = 200;
const IMAGE = /^iteration-\d+\.safetensors$/;
const imageFile = (iteration: number) => `iteration-${String(iteration).padStart(4, '0')}.safetensors`;

/** What identifies the model, the settings and the files of a run: the rest of it must be made with the same. */
export type RunIdentity = Readonly<Record<string, unknown>>;

/** The state of a run after an iteration. */
export interface SavedState {
  readonly identity: RunIdentity;
  readonly method: MethodState;
  /** Numbers of all iterations so far. */
  readonly iterations: readonly IterationNumbers[];
  readonly frames: FrameKeeperState;
  /** The best iteration so far. */
  readonly best: number;
  /** Wall time of the run so far. */
  readonly seconds: number;
  readonly estimate?: RunEstimate;
}

/** An iteration whose image is needed later. */
export type KeptIteration = Pick<
  Iteration,
  'iteration' | 'image' | 'frames' | 'fps' | 'saliency' | 'regions'
>;

/** A state with the images that it needs. */
export interface RestoredState extends SavedState {
  readonly images: ReadonlyMap<number, KeptIteration>;
}

/** The folder of a run's state. */
export class StateFolder {
  readonly dir: string;
  /** Images that are there, and whether they are flushed to the disk. */
  #written = new Map<number, boolean>();
  #flushes = { at: Number.NEGATIVE_INFINITY, milliseconds: 0 };

  /** @param runFolder absolute path of the folder of the run */
  constructor(runFolder: string) {
    this.dir = join(runFolder, STATE_FOLDER);
  }

  /**
   * Writes a state.
   *
   * @param images those that it needs, by iteration
   * @throws UserError where the file system refuses; the state before is kept
   */
  async write(state: SavedState, images: ReadonlyMap<number, KeptIteration>): Promise<void> {
    const began = performance.now();
    const flushed = began - this.#flushes.at >= FLUSH_PAUSE * this.#flushes.milliseconds;
    await makeFolders(this.dir);
    for (const [iteration, kept] of images) {
      if (this.#written.get(iteration) === true || (this.#written.has(iteration) && !flushed)) continue;
      await writeStateFile(join(this.dir, imageFile(iteration)), kept, flushed);
      this.#written.set(iteration, flushed);
    }
    await writeStateFile(join(this.dir, ROOT), state, flushed);
    if (flushed) this.#flushes = { at: performance.now(), milliseconds: performance.now() - began };
    const dropped = [...this.#written.keys()].filter((iteration) => !images.has(iteration));
    for (const iteration of dropped) {
      await rm(join(this.dir, imageFile(iteration)), { force: true });
      this.#written.delete(iteration);
    }
  }

  /**
   * Reads the state.
   *
   * @returns undefined where none was written: the run goes on from its beginning
   * @throws UserError where it is damaged
   */
  async read(): Promise<RestoredState | undefined> {
    const names = await readdir(this.dir).catch((): string[] => []);
    if (!names.includes(ROOT)) return undefined;
    const state = await this.#file(ROOT);
    if (!isSavedState(state)) {
      throw new UserError(
        `the state of the run cannot be read: ${join(this.dir, ROOT)} holds no state of a run`,
      );
    }
    const images = new Map<number, KeptIteration>();
    for (const iteration of imagesOf(state)) {
      images.set(iteration, (await this.#file(imageFile(iteration))) as KeptIteration);
    }
    this.#written = new Map([...images.keys()].map((iteration) => [iteration, true]));
    const named = new Set([ROOT, ...[...images.keys()].map(imageFile)]);
    const left = names.filter((name) => IMAGE.test(name) && !named.has(name));
    for (const name of left) await rm(join(this.dir, name), { force: true });
    return { ...state, images };
  }

  async #file(name: string): Promise<unknown> {
    try {
      return await readStateFile(join(this.dir, name));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const again = `without the folder ${basename(this.dir)} the run begins again`;
      throw new UserError(`the state of the run cannot be read: ${error.message}; ${again}`, {
        cause: error,
      });
    }
  }

  /** Removes it, at once. */
  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Whether data has the parts of a state. Its checksum and the version of its run have been checked, so what is in them is as written. */
function isSavedState(data: unknown): data is SavedState {
  const parts: readonly (keyof SavedState)[] = ['identity', 'method', 'iterations', 'frames', 'best'];
  return typeof data === 'object' && data !== null && parts.every((part) => part in data);
}

/** The iterations whose images a state needs. */
export function imagesOf({ frames, best }: Pick<SavedState, 'frames' | 'best'>): Set<number> {
  return new Set([...frames.kept, ...(frames.last === undefined ? [] : [frames.last]), best]);
}
