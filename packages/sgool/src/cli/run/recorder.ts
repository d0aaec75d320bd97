/** @file Records a run while it goes on, so that the best image so far is always on the disk. */

import { join } from 'node:path';
import { encodePng } from '../../image/png.ts';
import { clipSheet } from '../../image/video/clip-sheet.ts';
import { encodeShown, type Shown } from '../../image/video/encode-shown.ts';
import type { Iteration, MethodState } from '../../methods/run/iteration.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';
import type { LocatedFrames } from '../../saliency/track.ts';
import { refused, writeFileAtomic, writeFileAtomicSync } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import type { ClipFormat } from './clips.ts';
import type { WeightHashes } from './file-hashes.ts';
import { FrameKeeper, progressImage, saliencyImage } from './images.ts';
import { FILES, ITERATIONS_FOLDER } from './output-folder.ts';
import { thisProcess } from './process-record.ts';
import {
  type IterationNumbers,
  imageTexts,
  numbersOf,
  type ResumeRecord,
  type RunPaths,
  type RunState,
  type RunStatus,
  type RunTask,
  runJson,
} from './run-record.ts';
import {
  imagesOf,
  type KeptIteration,
  type RestoredState,
  type RunIdentity,
  StateFolder,
} from './saved-state.ts';

export interface RecorderOptions {
  /** Absolute path of the folder that was claimed for the run. */
  readonly dir: string;
  readonly task: RunTask;
  /** The hashes of the weights, which the first record waits for. */
  readonly hashes?: Promise<WeightHashes>;
  /** The command that repeats the run. */
  readonly repeat: string;
  /** The image or the clip that the run begins with, in the size of the model. */
  readonly input?: Shown | undefined;
  /** Whether settings are written into the images. */
  readonly metadata: boolean;
  readonly saveIterations: boolean;
  /** How a clip is written beside its lossless file. */
  readonly clipFormat?: ClipFormat | undefined;
  /** Whether the state stays when the run is finished. */
  readonly keepState: boolean;
  /** What the state of the run belongs to. */
  readonly identity: Promise<RunIdentity>;
  /** What `sgool resume` begins with. */
  readonly resume: ResumeRecord;
}

export class Recorder {
  readonly paths: RunPaths;
  /** The best iteration so far. */
  best: KeptIteration | undefined;
  /** The run, with the hashes of its weights as soon as there is a record. */
  task: RunTask;
  private readonly options: RecorderOptions;
  private readonly frames = new FrameKeeper();
  private readonly iterations: IterationNumbers[] = [];
  private readonly stateFolder: StateFolder;
  /** Images that the next state may need, by iteration. */
  private images = new Map<number, KeptIteration>();
  private startedAt = performance.now();

  constructor(options: RecorderOptions) {
    this.options = options;
    this.task = options.task;
    this.paths = { folder: options.dir, run: join(options.dir, FILES.run) };
    this.stateFolder = new StateFolder(options.dir);
  }

  /**
   * Goes on from a state: the images that an uninterrupted run has written by then are written again, since the run may have been
   * killed between two of them.
   */
  async restore({ iterations, frames, best, seconds, images }: RestoredState): Promise<void> {
    this.task = { ...this.options.task, ...(await this.options.hashes) };
    this.iterations.push(...iterations);
    this.startedAt = performance.now() - 1000 * seconds;
    this.images = new Map(images);
    const kept = (iteration: number): KeptIteration => {
      const found = images.get(iteration);
      if (!found) throw new Error(`Recorder: the state has no image of iteration ${iteration}`);
      return found;
    };
    this.frames.restore(frames, (iteration) => ({
      iteration,
      image: kept(iteration).image,
      score: iterations[iteration].clip.A,
    }));
    this.best = kept(best);
    await this.writeBefore(this.encode(kept(0), iterations[0]));
    await this.writeResult(this.best, this.encode(this.best, iterations[best]), iterations[best]);
    if (this.options.saveIterations) this.paths.iterations = join(this.options.dir, ITERATIONS_FOLDER);
    await this.writeRun('running');
  }

  /** Writes the state after the last iteration that was added, so that the run can go on from there. */
  async save(method: MethodState): Promise<void> {
    const { best } = this;
    if (best === undefined) throw new Error('Recorder: a state before the first image');
    const { task } = this.options;
    const frames = this.frames.state();
    const needed = imagesOf({ frames, best: best.iteration });
    this.images = new Map([...this.images].filter(([iteration]) => needed.has(iteration)));
    const { estimate } = task;
    const state = {
      identity: await this.options.identity,
      method,
      iterations: this.iterations,
      frames,
      best: best.iteration,
      seconds: this.seconds(),
      estimate,
    };
    await this.stateFolder.write(state, this.images);
  }

  private seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  /** Records an iteration: the plain image, a better image, its numbers. */
  async add(iteration: Iteration): Promise<void> {
    this.task = { ...this.options.task, ...(await this.options.hashes) };
    const numbers = numbersOf(iteration);
    this.iterations.push(numbers);
    const { image, frames, fps, best, clip } = iteration;
    // The map is needed of the best iteration alone.
    const { saliency, regions } = best ? iteration : {};
    const kept: KeptIteration = {
      iteration: iteration.iteration,
      image,
      saliency,
      regions,
      ...(frames && { frames, fps }),
    };
    this.images.set(iteration.iteration, kept);
    if (!best) this.forgetFrames(kept);
    this.frames.add({ iteration: iteration.iteration, image, score: clip.A }, best);
    const png = (() => {
      let bytes: Uint8Array | undefined;
      return () => (bytes ??= this.encode(kept, numbers));
    })();
    if (iteration.iteration === 0) await this.writeBefore(png());
    if (best) {
      await this.writeResult(kept, png(), numbers);
      this.forgetFrames(this.best);
      this.best = kept;
    }
    if (this.options.saveIterations) await this.writeIteration(iteration.iteration, png());
    await this.writeRun('running');
  }

  private async writeBefore(png: Uint8Array): Promise<void> {
    const { input } = this.options;
    if (input !== undefined) await this.write('input', encodeShown(input));
    await this.write('before', png);
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
    if (status === 'done' && !this.options.keepState) this.stateFolder.remove();
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
      seconds: Number(this.seconds().toFixed(3)),
      iterations: this.iterations,
      paths: this.paths,
    };
  }

  /** Draws all frames of the best clip with their salient things; how much they shake becomes one of its numbers. */
  async writeFrames(located: LocatedFrames): Promise<void> {
    const { frames, fps = 1 } = this.best ?? {};
    if (!frames) return;
    const at = this.iterations.findIndex(({ iteration }) => iteration === this.best?.iteration);
    const { overFrames } = this.iterations[at];
    const { jitter } = located;
    if (overFrames && jitter !== undefined) {
      this.iterations[at] = { ...this.iterations[at], overFrames: { jitter, ...overFrames } };
    }
    await this.write(
      'frames',
      encodePng(
        clipSheet(
          { frames, fps },
          located.frames.map(({ regions }) => regions),
        ),
      ),
    );
  }

  private texts(numbers: IterationNumbers): Record<string, string> {
    return this.options.metadata ? imageTexts(this.task, numbers) : {};
  }

  private encode(shown: Shown, numbers: IterationNumbers): Uint8Array {
    return encodeShown(shown, this.texts(numbers));
  }

  /** Writes the best image; of a clip the lossless file first, then the one in the wanted format. */
  private async writeResult(
    { frames, fps = 1 }: KeptIteration,
    png: Uint8Array,
    numbers: IterationNumbers,
  ): Promise<void> {
    await this.write(frames ? 'clip' : 'image', png);
    const { clipFormat } = this.options;
    if (!frames || !clipFormat) return;
    const path = join(this.options.dir, clipFormat.name);
    if (clipFormat.name !== FILES.clip) {
      const options = { text: this.texts(numbers) };
      await writeFileAtomic(path, await clipFormat.encode({ frames, fps }, options));
    }
    this.paths.video = path;
  }

  /** Of a clip that is no longer the best one the middle frame is enough, but for the plain clip. */
  private forgetFrames(former: KeptIteration | undefined): void {
    if (!former?.frames || former.iteration === 0 || !this.images.has(former.iteration)) return;
    const { frames: _, ...rest } = former;
    this.images.set(former.iteration, rest);
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
    const { repeat, resume, keepState } = this.options;
    const content = {
      ...runJson(this.task, this.state(status, error), repeat),
      ...(status === 'running' ? { process: thisProcess() } : {}),
      ...(status === 'done' && !keepState ? {} : { resume }),
    };
    return `${JSON.stringify(content, null, 2)}\n`;
  }
}
