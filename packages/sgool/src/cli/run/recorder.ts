/** @file Records a run while it goes on, so that the best image so far is always on the disk. */

import { join } from 'node:path';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import type { Iteration } from '../../methods/run/iteration.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';
import { refused, writeFileAtomic, writeFileAtomicSync } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import type { WeightHashes } from './file-hashes.ts';
import { FrameKeeper, progressImage, saliencyImage } from './images.ts';
import { FILES, ITERATIONS_FOLDER } from './output-folder.ts';
import {
  type IterationNumbers,
  imageTexts,
  numbersOf,
  type RunPaths,
  type RunState,
  type RunStatus,
  type RunTask,
  runJson,
} from './run-record.ts';

export interface RecorderOptions {
  /** Absolute path of the folder that was claimed for the run. */
  readonly dir: string;
  readonly task: RunTask;
  /** The hashes of the weights, which the first record waits for. */
  readonly hashes?: Promise<WeightHashes>;
  /** The command that repeats the run. */
  readonly repeat: string;
  /** The image that the run begins with, in the size of the model. */
  readonly input?: Image;
  /** Whether settings are written into the images. */
  readonly metadata: boolean;
  readonly saveIterations: boolean;
}

export class Recorder {
  readonly paths: RunPaths;
  /** The best iteration so far. */
  best: Iteration | undefined;
  /** The run, with the hashes of its weights as soon as there is a record. */
  task: RunTask;
  private readonly options: RecorderOptions;
  private readonly frames = new FrameKeeper();
  private readonly iterations: IterationNumbers[] = [];
  private readonly startedAt = performance.now();

  constructor(options: RecorderOptions) {
    this.options = options;
    this.task = options.task;
    this.paths = { folder: options.dir, run: join(options.dir, FILES.run) };
  }

  /** Records an iteration: the plain image, a better image, its numbers. */
  async add(iteration: Iteration): Promise<void> {
    this.task = { ...this.options.task, ...(await this.options.hashes) };
    const numbers = numbersOf(iteration);
    this.iterations.push(numbers);
    const { image, best, clip } = iteration;
    this.frames.add({ iteration: iteration.iteration, image, score: clip.A }, best);
    const png = (() => {
      let bytes: Uint8Array | undefined;
      return () => (bytes ??= this.encode(image, numbers));
    })();
    if (iteration.iteration === 0) {
      const { input } = this.options;
      if (input !== undefined) await this.write('input', encodePng(input));
      await this.write('before', png());
    }
    if (best) {
      await this.write('image', png());
      this.best = iteration;
    }
    if (this.options.saveIterations) await this.writeIteration(iteration.iteration, png());
    await this.writeRun('running');
  }

  /** Draws the saliency map and the regions of the best image. */
  async writeSaliency(map: SaliencyMap, regions: readonly Region[]): Promise<void> {
    if (this.best === undefined) return;
    await this.write('saliency', encodePng(saliencyImage(this.best.image, map, regions)));
  }

  /** Writes the strip of the iterations, and the final state to `run.json`. */
  async finish(status: RunStatus, error?: string): Promise<void> {
    const { frames, best } = this.frames.chosen();
    if (frames.length > 0) await this.write('progress', encodePng(progressImage(frames, best)));
    await this.writeRun(status, error);
  }

  /** Writes the final state to `run.json` without returning to the event loop: the process is about to end. */
  finishNow(): void {
    writeFileAtomicSync(this.paths.run, this.content('stopped'));
  }

  /** The state of the run. */
  state(status: RunStatus, error?: string): RunState {
    return {
      status,
      ...(error === undefined ? {} : { error }),
      seconds: Number(((performance.now() - this.startedAt) / 1000).toFixed(3)),
      iterations: this.iterations,
      paths: this.paths,
    };
  }

  private encode(image: Image, numbers: IterationNumbers): Uint8Array {
    return encodePng(image, this.options.metadata ? { text: imageTexts(this.task, numbers) } : {});
  }

  private async write(name: Exclude<keyof typeof FILES, 'run'>, bytes: Uint8Array): Promise<void> {
    const path = join(this.options.dir, FILES[name]);
    await writeFileAtomic(path, bytes);
    this.paths[name] = path;
  }

  private async writeIteration(iteration: number, bytes: Uint8Array): Promise<void> {
    const folder = join(this.options.dir, ITERATIONS_FOLDER);
    if (this.paths.iterations === undefined) {
      await makeFolders(folder).catch((error) => {
        throw refused(folder, error);
      });
    }
    this.paths.iterations = folder;
    await writeFileAtomic(join(folder, `${String(iteration).padStart(4, '0')}.png`), bytes);
  }

  private async writeRun(status: RunStatus, error?: string): Promise<void> {
    await writeFileAtomic(this.paths.run, this.content(status, error));
  }

  private content(status: RunStatus, error?: string): string {
    const { repeat } = this.options;
    return `${JSON.stringify(runJson(this.task, this.state(status, error), repeat), null, 2)}\n`;
  }
}
