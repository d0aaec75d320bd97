/** @file Several runs by one command: seeds one after the other, prompts from a file. One folder each, a summary and a grid. */
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { arrangeImages } from '../../image/draw.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { readImage } from '../../image/read-image.ts';
import { resizeImage } from '../../image/resize.ts';
import { readVideo } from '../../image/video/read-video.ts';
import { middleFrame } from '../../methods/run/frames.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { utf8 } from '../../platform/plain-file.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { laterSeed, readSeed, resolveSeed, type Seed, seedForJson } from '../../random/seed.ts';
import { excerpt } from '../../text/prompt/weighted-text.ts';
import { writeFileAtomic, writeFileAtomicSync } from '../../weights/sources/atomic-file.ts';
import type { Host } from '../host.ts';
import { inputBytes, inputName, inputStem, STDIN } from '../inputs.ts';
import type { Values } from '../options/image-options.ts';
import type { ImageCommand } from '../options/read-options.ts';
import { oneLine, shownPath } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';
import { packageVersion } from '../version.ts';
import { type AnyImageCommand, IMAGE_COMMANDS } from './image-commands.ts';
import {
  checkFolderName,
  claimFolder,
  defaultFolder,
  FILES,
  type OutputFolder,
  SERIES_FILES,
  slug,
} from './output-folder.ts';
import { thisProcess } from './process-record.ts';
import { enterFolder, type ResumeFlags, recordedCommand, resumeRun } from './resume.ts';
import { type RunFile, readRunFile, refuseLiving, takeOver } from './run-file.ts';
import type { CommandKind, RunResult } from './run-record.ts';
import { StateFolder } from './saved-state.ts';

/** Most images in the grid. */
const GRID_IMAGES = 64;
const GRID_SIDE = { least: 128, most: 256 };
const MAX_PROMPTS = 10_000;

/** What the summary takes of the result of a run. */
type SeriesResult = Pick<RunResult, 'clip' | 'bestIteration' | 'seconds'>;

/** An image of a series, as the summary and the grid need it. */
interface MadeRun {
  readonly image: Image;
  readonly result: SeriesResult & { readonly paths: Pick<RunResult['paths'], 'folder'> };
}

/** One run of a series, in the summary. */
interface SeriesRun {
  readonly prompt: string;
  readonly seed: number | string;
  /** Relative to the folder of the series; none where nothing was made. */
  readonly folder?: string;
  readonly status: 'done' | 'failed' | 'stopped';
  readonly error?: string;
  readonly clip?: RunResult['clip'];
  readonly bestIteration?: RunResult['bestIteration'];
  readonly seconds?: number;
}

/** Whether a command asks for more than one run. */
export const isSeries = ({ values: { count = 1, prompts } }: ImageCommand): boolean =>
  count > 1 || prompts !== undefined;

/**
 * Makes every image of a series, and its folder. A run that fails is named and the others go on, unless none has succeeded.
 *
 * @param kind the command that makes each of them
 * @throws UserError where the prompts cannot be read, all runs fail, or it is stopped
 */
export async function makeSeries(kind: CommandKind, command: AnyImageCommand, host: Host): Promise<void> {
  const { prompts: promptFile, seed: given, out } = command.values;
  const prompts = promptFile === undefined ? undefined : await readPrompts(promptFile, host);
  const seed = resolveSeed(readSeed(given));
  if (out !== undefined) checkFolderName(out);
  const subject = promptFile === undefined ? command.prompt : nameOf(promptFile);
  const wanted = resolve(host.cwd, out ?? `${defaultFolder(host.now(), subject, seed)}-series`);
  const { make } = IMAGE_COMMANDS[kind];
  const plan: SeriesPlan = {
    prompt: command.prompt,
    kind,
    ...(prompts && { prompts }),
    ...(command.image === undefined ? {} : { image: command.image }),
    typed: command.typed,
    started: host.now(),
    cwd: host.cwd,
    values: { ...command.values, seed },
    version: await packageVersion(),
  };
  const content = summaryText(plan, 'running', []);
  const folder = await claimFolder(wanted, { name: SERIES_FILES.summary, content });
  await runSeries(plan, folder, command.quiet, host, (prompt, values, shared) =>
    make({ ...command, prompt, values }, shared),
  );
}

/**
 * Goes on with a series: finished images are kept, the run in progress goes on, the others are made.
 *
 * @throws UserError as {@link makeSeries} does, and where it cannot be gone on with
 */
export async function resumeSeries(found: RunFile, flags: ResumeFlags, host: Host): Promise<void> {
  refuseLiving(found, flags.force);
  await recordedCommand(found, host);
  const { file, folder, giveBack } = await takeOver(found.dir, flags);
  try {
    const command = await recordedCommand(file, host);
    const { prompts } = file.content.resume as { prompts?: readonly string[] };
    await enterFolder(command.cwd, host);
    const { kind, image } = command;
    const { make, options } = IMAGE_COMMANDS[kind];
    const plan: SeriesPlan = { ...command, ...(prompts && { prompts }), version: await packageVersion() };
    const shared = { options: options(), typed: command.typed, ...flags, warnings: [], notes: [] };
    await runSeries(plan, folder, flags.quiet, host, async (prompt, values, sharedHost) => {
      const one = { ...shared, prompt, values, ...(image === undefined ? {} : { image }) };
      const begun = await readRunFile(values.out ?? '');
      if (begun?.status === 'done') return finishedRun(begun);
      if (begun && Object.keys(begun.content).length > 0) return resumeRun(begun, flags, sharedHost);
      return make(one, sharedHost);
    });
  } finally {
    giveBack();
  }
}

/** The best image of a run; of a clip its middle frame. */
async function resultIn(dir: string): Promise<Image> {
  const clip = join(dir, FILES.clip);
  return existsSync(clip) ? middleFrame((await readVideo(clip)).frames) : readImage(join(dir, FILES.image));
}

/** An image that was made before. */
async function finishedRun({ dir, content }: RunFile): Promise<MadeRun> {
  const image = await resultIn(dir);
  const { clip, bestIteration, seconds } = content as unknown as SeriesResult;
  return { image, result: { clip, bestIteration, seconds, paths: { folder: dir } } };
}

/** A series with everything that its images depend on. */
interface SeriesPlan {
  /** The prompt of all, without `prompts`. */
  readonly prompt: string;
  /** One after the other, each with every seed. */
  readonly prompts?: readonly string[];
  /** The command that makes each. */
  readonly kind: CommandKind;
  /** The image that each begins with. */
  readonly image?: string;
  readonly typed: string;
  readonly started: Date;
  readonly cwd: string;
  /** With the first seed. */
  readonly values: Values;
  readonly version: string;
}

/** Makes, or fetches, one image of a series; `values.out` is the folder for it. */
type MakeRun = (prompt: string, values: Values, host: Host) => Promise<MadeRun>;

async function runSeries(
  plan: SeriesPlan,
  { dir, release }: OutputFolder,
  quiet: boolean,
  host: Host,
  make: MakeRun,
): Promise<void> {
  const { prompts = [plan.prompt], values: given } = plan;
  const { count = 1, seed: first } = given;
  const seeds = Array.from({ length: count }, (_, i) => laterSeed(resolveSeed(readSeed(first)), i));
  const all = prompts.flatMap((prompt) => seeds.map((seed) => ({ prompt, seed })));
  const series = new Series(dir, plan);
  let isStopped = false;
  const stopListening = host.onInterrupt(() => {
    isStopped = true;
    series.writeNow('stopped');
  });
  const unguard = host.guard(join(dir, SERIES_FILES.summary));
  const shared = shareEngine(host);
  try {
    for (const [i, { prompt, seed }] of all.entries()) {
      const folder = runFolder(i, all.length, plan.prompts ? prompt : '', seed);
      const values = { ...given, seed, out: join(dir, folder), count: undefined, prompts: undefined };
      try {
        series.add(prompt, seed, await make(prompt, values, shared.host));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        series.fail(prompt, seed, isStopped ? 'stopped' : 'failed', error.message);
        if (isStopped || series.images.length === 0) throw error;
        host.stderr.write(`sgool: run ${i + 1} of ${all.length}: ${oneLine(error.message)}\n`);
      }
      await series.write('running');
    }
    const { failures } = series;
    if (failures > 0) {
      throw new UserError(`${failures} of ${all.length} runs failed; ${shownPath(dir, host)} has the others`);
    }
    await series.write('done');
    new StateFolder(dir).remove();
    if (!quiet) {
      host.stderr.write(
        `sgool: ${all.length} images, the grid and the summary are in ${shownPath(dir, host)}\n`,
      );
    }
  } catch (error) {
    if (series.images.length === 0) release();
    else await series.write(isStopped ? 'stopped' : 'failed');
    throw error;
  } finally {
    stopListening();
    unguard();
    await shared.dispose();
  }
}

/** What `summary.json` says. */
function summaryText(
  { prompt, prompts, kind, image, typed, started, cwd, values, version }: SeriesPlan,
  status: string,
  runs: readonly SeriesRun[],
): string {
  const { out, prompts: _, ...own } = values;
  const resume = {
    cwd,
    values: { ...own, seed: seedForJson(resolveSeed(readSeed(own.seed))) },
    ...(prompts && { prompts }),
  };
  const content = {
    status,
    ...(status === 'running' ? { process: thisProcess() } : {}),
    total: (prompts?.length ?? 1) * (values.count ?? 1),
    ...(prompts ? {} : { prompt }),
    kind,
    ...(image === undefined ? {} : { image }),
    started: started.toISOString(),
    command: typed,
    versions: { sgool: version },
    runs,
    ...(status === 'done' ? {} : { resume }),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** The runs of a series so far, and what is written of them. */
class Series {
  readonly images: { readonly image: Image; readonly caption: string }[] = [];
  failures = 0;
  readonly #runs: SeriesRun[] = [];
  readonly #dir: string;
  readonly #plan: SeriesPlan;

  constructor(dir: string, plan: SeriesPlan) {
    this.#dir = dir;
    this.#plan = plan;
  }

  add(prompt: string, seed: Seed, { result, image }: MadeRun): void {
    const { paths, clip, bestIteration, seconds } = result;
    this.#runs.push({
      prompt,
      seed: seedForJson(seed),
      folder: relative(this.#dir, paths.folder),
      status: 'done',
      clip,
      bestIteration,
      seconds,
    });
    const isFromFile = this.#plan.prompts !== undefined;
    const score = clip.after.A === undefined ? '' : `  CLIP ${clip.after.A.toFixed(2)}`;
    this.images.push({
      image: framed(image),
      caption: `${isFromFile ? excerpt(prompt) : `seed ${seed}`}${score}`,
    });
  }

  fail(prompt: string, seed: Seed, status: 'failed' | 'stopped', error: string): void {
    if (status === 'failed') this.failures++;
    this.#runs.push({ prompt, seed: seedForJson(seed), status, error });
  }

  /** Writes the summary and, at the end, the grid. */
  async write(status: string): Promise<void> {
    if (status !== 'running' && this.images.length > 0) {
      await writeFileAtomic(join(this.#dir, SERIES_FILES.grid), encodePng(this.#grid()));
    }
    await writeFileAtomic(join(this.#dir, SERIES_FILES.summary), this.#summary(status));
  }

  /** Writes the summary without returning to the event loop. */
  writeNow(status: string): void {
    writeFileAtomicSync(join(this.#dir, SERIES_FILES.summary), this.#summary(status));
  }

  #summary(status: string): string {
    return summaryText(this.#plan, status, this.#runs);
  }

  #grid(): Image {
    const shown = this.images.slice(0, GRID_IMAGES);
    const { prompts, values } = this.#plan;
    const { count = 1 } = values;
    // A row for each prompt, where there are several seeds for each.
    const columns = prompts !== undefined && count > 1 ? count : Math.ceil(Math.sqrt(shown.length));
    return arrangeImages(
      shown.map(({ image }) => image),
      { captions: shown.map(({ caption }) => caption), columns },
    );
  }
}

function framed(image: Image): Image {
  const side = Math.max(image.width, image.height);
  const scale = Math.min(GRID_SIDE.most, Math.max(GRID_SIDE.least, side)) / side;
  return resizeImage(image, Math.round(image.width * scale), Math.round(image.height * scale));
}

/** `007-a-red-cat-42` */
function runFolder(index: number, total: number, prompt: string, seed: Seed): string {
  const number = String(index + 1).padStart(Math.max(3, String(total).length), '0');
  return [number, ...(prompt === '' ? [] : [slug(prompt)]), String(seed)].join('-');
}

const nameOf = (promptFile: string) => (promptFile === STDIN ? 'prompts' : inputStem(promptFile));

/**
 * The prompts of a file, one per line; empty lines are skipped.
 *
 * @param path absolute, or `-` for the standard input
 * @throws UserError where it cannot be read, holds none, or a line begins with an option
 */
export async function readPrompts(path: string, host: Host): Promise<string[]> {
  const name = inputName(path);
  const text = await textOf(path, host);
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  const prompts = lines.flatMap((line, i) => {
    const prompt = line.trim();
    if (/^--\w/.test(prompt)) {
      throw usageError(
        `--prompts: line ${i + 1} of ${name} begins with an option, which a line cannot have: ${prompt}`,
      );
    }
    return prompt === '' ? [] : [prompt];
  });
  if (prompts.length === 0) throw usageError(`--prompts: ${name} holds no prompt; write one per line`);
  if (prompts.length > MAX_PROMPTS) {
    throw usageError(`--prompts: ${name} holds ${prompts.length} prompts, the most are ${MAX_PROMPTS}`);
  }
  return prompts;
}

async function textOf(path: string, host: Host): Promise<string> {
  try {
    return utf8(await inputBytes('--prompts', path, SIZE_LIMITS.prompts, host), inputName(path));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw usageError(`--prompts: ${error.message.replace(/^--prompts: /, '')}`);
  }
}

/** The host with an engine that opens each model once and keeps it for the next run. */
function shareEngine(host: Host): { host: Host; dispose(): Promise<void> } {
  const opened = new Map<string, Promise<Pipeline>>();
  async function loadEngine() {
    const engine = await host.loadEngine();
    return {
      ...engine,
      openPipeline(model: string, options: Parameters<typeof engine.openPipeline>[1]) {
        const key = JSON.stringify([model, options]);
        const known = opened.get(key) ?? engine.openPipeline(model, options);
        opened.set(key, known);
        return known.then((pipeline) => ({ ...pipeline, dispose: async () => {} }));
      },
    };
  }
  return {
    host: { ...host, loadEngine },
    async dispose() {
      for (const pipeline of opened.values()) await (await pipeline.catch(() => undefined))?.dispose();
    },
  };
}
