/** @file `sgool score <image...> <prompt>`: CLIP scores, and scores of preference models, of images and clips; a table where there are several. */
import { basename, extname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { mean, minimum } from '../../numbers.ts';
import type { ObjectiveItem } from '../../request/objective-text.ts';
import { SCORER_NAMES, SCORERS, type ScorerName } from '../../request/scorer-names.ts';
import {
  MODEL_CLIP,
  SCORER_FORMS,
  scorerName,
  type WantedScorer,
  wantedScorer,
} from '../../request/wanted-scorer.ts';
import { fitNotes } from '../../text/fit-notes.ts';
import type { PromptSyntax } from '../../text/prompt/prompt.ts';
import { USAGE_ERROR } from '../exit-codes.ts';
import type { Host } from '../host.ts';
import { inputFiles, inputPath, inputVideo, STDIN } from '../inputs.ts';
import {
  loadOptionsOf,
  type SharedValues,
  scorerTokenizer,
  sharedOptions,
  sharedValues,
} from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { checkPrompt, criticsText, promptSyntaxOption } from '../options/prompt.ts';
import { didYouMean } from '../options/suggest.ts';
import { clipNotes, clipsOf } from '../run/prompt-warnings.ts';
import { readPrompts } from '../run/series.ts';
import { type OutputTarget, outputTarget, writeOutput } from '../run/write-output.ts';
import { formatTable, oneLine, shownPath } from '../terminal/format.ts';

interface ScoreFlags extends OptionValues {
  readonly scorer?: readonly Wanted[];
  readonly prompts?: string;
  readonly promptSyntax: PromptSyntax;
  readonly format?: string;
  readonly sort?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** A scorer by its name in reports. */
type Wanted = Pick<ObjectiveItem, 'scorer' | 'name'>;

/** The CLIPs of the model: without a name of its own, because they are two. */
const MODEL_CLIPS: Wanted = { scorer: { kind: 'clip' }, name: MODEL_CLIP };

const areModelClips = ({ name }: Wanted) => name === MODEL_CLIP;

const NOTES = `
  clip          100 times the cosine of image and prompt, by the CLIPs of the model: A guides, B only reports
${SCORER_NAMES.map((name) => `  ${name.padEnd(12)}  ${SCORERS[name].scale}`).join('\n')}
  clip=<folder> another CLIP; clip_c that of the model which selects
  onnx:<file>   an ONNX file, with a description beside it; minus its score where less is better
  exec:<program>, http://<address>  a program or a server, which gets every image and prompt (docs/verifiers.md)

Higher is better for every scorer. Compare only scores of the same scorer for
the same prompt. The weights of preference models are those that were added
(sgool models add) or pulled (sgool models pull), or those of <name>=<file>.
They are those of --objective of sgool generate, under the same names.
Their vocabularies are searched for beside the weights, unless --tokenizer gives
one.

A clip (animated WebP, PNG or GIF; MP4 where ffmpeg is on the path) is scored frame
by frame: its score is the mean over the frames, <score>:least that of the lowest
one, and --json names all of them.

Several images, folders or prompts give a table: every image with every prompt,
the highest score first.

Examples:
  sgool score image.png "a red cat to the left of a blue boat"
  sgool score cats/*/image.png "a red cat" --format csv
  sgool score photos --prompts prompts.txt --sort image --out scores.jsonl
  sgool score image.png "a red cat" --scorer hps-v2.1,pickscore,image-reward
  sgool score image.png "a red cat" --scorer hps-v2=HPS_v2_compressed.pt --json
  sgool score image.png "a red cat" --scorer clip,onnx:mine.onnx,exec:./score.sh`;

export function configure(command: Command, host: Host): void {
  command
    .usage('[options] <image...> <prompt>')
    .argument(
      '<image...>',
      'image files (PNG, JPEG, WebP, BMP, PPM ...), clips, folders of them, or - for the standard input, then the prompt',
    );
  for (const option of sharedOptions()) command.addOption(option);
  command
    .option(
      '--scorer <names>',
      `scorers, separated by commas: ${SCORER_FORMS} (default: clip)`,
      (text: string, before: readonly Wanted[] = []) => [...before, ...parseScorers(text)],
    )
    .option(
      '--prompts <file>',
      'file of prompts, one per line, or - for the standard input; all words are images then',
    )
    .addOption(promptSyntaxOption())
    .option('--format <name>', `${FORMATS.join(', ')} (default: table, or what the name of --out says)`)
    .option(
      '--sort <column>',
      'column to sort by: a score, the highest first, image, prompt, or none (default: the first score)',
    )
    .option('--out <file>', 'file to write to instead of stdout: .csv, .jsonl or .txt')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', NOTES)
    .action((words: readonly string[], flags: ScoreFlags) => score(words, flags, host));
}

/**
 * Reads scorers between commas.
 *
 * @throws UserError that names what may be asked for
 */
function parseScorers(text: string): Wanted[] {
  return text.split(',').map((item) => {
    const scorer = wantedScorer(item.trim());
    if (scorer !== undefined) return { scorer, name: scorerName(scorer) };
    throw wrong(
      `--scorer: not usable, got ${item || 'nothing'}; choose from ${SCORER_FORMS}${didYouMean(item.trim(), ['clip', ...SCORER_NAMES])}`,
    );
  });
}

/** @throws UserError where two scores would have one name */
function checkNames(wanted: readonly Wanted[]): void {
  const twice = wanted.find(({ name }, i) => wanted.findIndex((other) => other.name === name) < i);
  if (twice === undefined) return;
  throw wrong(`--scorer: two scores are called ${twice.name}; give each scorer once, or rename the file`);
}

/** What is scored. */
interface Work {
  /** Absolute paths. */
  readonly images: readonly string[];
  readonly prompts: readonly string[];
  readonly promptSyntax: PromptSyntax;
  readonly wanted: readonly Wanted[];
  readonly values: SharedValues;
}

async function score(words: readonly string[], flags: ScoreFlags, host: Host): Promise<void> {
  const { scorer: wanted = [MODEL_CLIPS], format, sort, json = false, out, promptSyntax } = flags;
  const promptFile = flags.prompts === undefined ? undefined : inputPath(flags.prompts, host);
  const places = promptFile === undefined ? words.slice(0, -1) : words;
  if (places.length === 0) throw wrong("missing required argument 'prompt'");
  const prompts = promptFile === undefined ? words.slice(-1) : await readPrompts(promptFile, host);
  for (const prompt of prompts) checkPrompt(prompt);
  checkNames(wanted);
  const { images, hasFolder } = await imagesIn(places, host);
  const isOne = images.length === 1 && prompts.length === 1 && !hasFolder;
  const target =
    out === undefined
      ? undefined
      : await outputTarget(resolve(host.cwd, out), '--out', inputFiles([...images, promptFile]));
  const chosen = formatFor(format, target);
  const columns = columnsOf(wanted);
  checkSort(sort, columns);
  const work = { images, prompts, promptSyntax, wanted, values: sharedValues(flags, host) };
  if (isOne && chosen === undefined && sort === undefined) return scoreOne(work, json, host);

  const { rows, failures } = await scoreAll(work, columns, host);
  const sorted = sortRows(rows, sort ?? columns.find((column) => rows.some((row) => column in row.scores)));
  const text = json
    ? `${JSON.stringify({ model: work.values.model, results: sorted.map(rowForJson) })}\n`
    : formatRows(sorted, columns, chosen ?? 'table', host);
  if (target === undefined) {
    if (json || chosen === undefined || chosen === 'table') host.stdout.write(text);
    else host.stdout.data(text);
  } else {
    await writeOutput(target, text, host.stdout);
    if (!target.isStdout) host.stdout.data(`${shownPath(target.path, host)}\n`);
  }
  if (failures > 0) throw new UserError(`${failures} of ${images.length} images could not be scored`);
}

const wrong = (message: string) => new UserError(message, { exitCode: USAGE_ERROR });

/** One image and one prompt: a line for each score. */
async function scoreOne(work: Work, json: boolean, host: Host): Promise<void> {
  const [path] = work.images;
  const [prompt] = work.prompts;
  const { wanted, values } = work;
  const [{ byFrame, truncated }] = await scoresOf([path], work, host);
  const scored = columnsOf(wanted).flatMap((column) => {
    const values = byFrame[column];
    return values === undefined ? [] : [[column, values] as const];
  });
  if (json) {
    const isClip = wanted.some(areModelClips);
    const [shown, least] = [mean, minimum].map((of) => partedScores(scored, of));
    const hasFrames = scored.some(([, values]) => values.length > 1);
    const result = {
      image: path,
      prompt,
      ...(isClip ? { model: values.model } : {}),
      truncated,
      ...shown,
      ...(hasFrames ? { least, frames: Object.fromEntries(scored) } : {}),
    };
    host.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const rows = scored.map(([column, values]) => {
    const text = (value: number) => value.toFixed(digitsOf(column));
    const title = CLIP_TITLES[column] ?? column;
    if (values.length === 1) return [title, text(values[0])];
    return [title, text(mean(values)), text(minimum(values)), ...values.map(text)];
  });
  const frames = Math.max(...scored.map(([, values]) => values.length));
  const head = ['score', 'mean', 'least', ...Array.from({ length: frames }, (_, f) => `frame ${f + 1}`)];
  host.stdout.write(`${formatTable(frames > 1 ? [head, ...rows] : rows)}\n`);
}

/** What the scores of the model's CLIPs are called in a list. */
const CLIP_TITLES: Readonly<Record<string, string>> = { [MODEL_CLIP]: 'CLIP A', clip_b: 'CLIP B' };

/** Scores of one image for JSON: those of the model's CLIPs as `clip`, the others as `scores`. */
function partedScores(
  scored: readonly (readonly [string, readonly number[]])[],
  of: (values: readonly number[]) => number,
) {
  const [own, others] = [true, false].map((isClip) =>
    scored.flatMap(([column, values]) =>
      Object.hasOwn(CLIP_TITLES, column) === isClip
        ? [[isClip ? (CLIP_TITLES[column] as string).slice(-1) : column, of(values)] as const]
        : [],
    ),
  );
  return {
    ...(own.length === 0 ? {} : { clip: Object.fromEntries(own) }),
    ...(others.length === 0 ? {} : { scores: Object.fromEntries(others) }),
  };
}

/** An image with a prompt, and its scores by column. */
interface Row {
  readonly image: string;
  readonly prompt: string;
  readonly scores: Readonly<Record<string, number>>;
  /** Of a clip: those of its frames. */
  readonly frames?: Readonly<Record<string, readonly number[]>>;
}

async function scoreAll(work: Work, columns: readonly string[], host: Host) {
  const readable: string[] = [];
  let failures = 0;
  for (const path of work.images) {
    try {
      await inputVideo(IMAGES, path, host);
      readable.push(path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures++;
      host.stderr.write(`sgool: ${oneLine(error.message)}\n`);
    }
  }
  if (readable.length === 0) throw new UserError('none of the images could be read');
  const scored = await scoresOf(readable, work, host);
  const rows = scored.map(({ path, prompt, byFrame }): Row => {
    const known = columns.flatMap((column) => {
      const values = byFrame[column];
      return values === undefined ? [] : [[column, values] as const];
    });
    const scores = known.flatMap(([column, values]) => [
      [column, mean(values)] as const,
      ...(values.length > 1 ? [[leastOf(column), minimum(values)] as const] : []),
    ]);
    const isClip = known.some(([, values]) => values.length > 1);
    return {
      image: path,
      prompt,
      scores: Object.fromEntries(scores),
      ...(isClip ? { frames: Object.fromEntries(known) } : {}),
    };
  });
  return { rows, failures };
}

interface Scored {
  readonly path: string;
  /** As written. */
  readonly prompt: string;
  /** Without weights and tags, as scorers read it. */
  readonly text: string;
  /** By column: a value for each frame, which an image has one of. */
  readonly byFrame: Record<string, number[]>;
  truncated: boolean;
}

/** Every image with every prompt. One scorer after the other, so that one network at a time is in memory. */
async function scoresOf(
  images: readonly string[],
  { prompts, promptSyntax, wanted, values }: Work,
  host: Host,
): Promise<Scored[]> {
  const texts = prompts.map((prompt) => ({
    prompt,
    text: criticsText('scored', prompt, promptSyntax, host),
  }));
  const pairs = images.flatMap((path) =>
    texts.map((each): Scored => ({ path, ...each, byFrame: {}, truncated: false })),
  );
  for (const one of wanted) {
    await (areModelClips(one) ? addClipScores(pairs, values, host) : addScores(one, pairs, values, host));
  }
  return pairs;
}

const IMAGES = 'the image';

/** Reads the frames of images and clips, and keeps the last ones for the next prompt. */
function frameReader(host: Host): (path: string) => Promise<readonly Image[]> {
  let last: { path: string; frames: readonly Image[] } | undefined;
  return async (path) => {
    if (last?.path !== path) last = { path, frames: (await inputVideo(IMAGES, path, host)).frames };
    return last.frames;
  };
}

/** Adds the score of one frame, where there is one. */
function addFrame({ byFrame }: Scored, column: string, value: number | undefined): void {
  if (value === undefined) return;
  byFrame[column] = [...(byFrame[column] ?? []), value];
}

async function addClipScores(pairs: readonly Scored[], values: SharedValues, host: Host): Promise<void> {
  const { model } = values;
  const engine = await host.loadEngine();
  const pipeline = await engine.openPipeline(model, loadOptionsOf(values));
  for (const line of pipeline.model.notes ?? []) host.stderr.write(`sgool: ${line}\n`);
  const warned = new Set<string>();
  const read = frameReader(host);
  try {
    const critics = await clipsOf(pipeline);
    for (const scored of pairs) {
      const { path, text } = scored;
      for (const line of warned.has(text) ? [] : clipNotes('prompt', text, critics)) warn(line, host);
      warned.add(text);
      scored.truncated ||= critics.some(({ critic }) => critic.fit(text).truncated);
      for (const frame of await read(path)) {
        const { A, B } = await pipeline.score(frame, text);
        if (A === undefined && B === undefined)
          throw new UserError(`model: ${model} has no CLIP to score with; choose another one`);
        addFrame(scored, MODEL_CLIP, A);
        addFrame(scored, 'clip_b', B);
      }
    }
  } finally {
    await pipeline.dispose();
  }
}

async function addScores(
  wanted: Wanted,
  pairs: readonly Scored[],
  values: SharedValues,
  host: Host,
): Promise<void> {
  const { name } = wanted;
  const { scorer, dispose } = await openOne(wanted, values, host);
  const { clipTarget } = await import('../../preference/clip-target.ts');
  const warned = new Set<string>();
  const read = frameReader(host);
  try {
    for (const scored of pairs) {
      const { path, text } = scored;
      const fit = scorer.fit?.(text);
      const lines = fit === undefined || warned.has(text) ? [] : fitNotes('prompt', name, fit);
      for (const line of lines) warn(line, host);
      warned.add(text);
      scored.truncated ||= fit?.truncated ?? false;
      for (const frame of await read(path))
        addFrame(scored, name, await scorer.score(frame, clipTarget(text)));
    }
  } finally {
    await dispose();
  }
}

/** Opens a scorer by itself; only a CLIP needs the model. @throws UserError where that cannot be */
async function openOne({ scorer, name }: Wanted, values: SharedValues, host: Host) {
  const engine = await host.loadEngine();
  if (scorer.kind === 'clip') {
    const pipeline = await engine.openPipeline(values.model, loadOptionsOf(values));
    const [opened] = await pipeline.scorers([{ scorer: located(scorer, host), name, weight: 1 }]);
    return { scorer: opened, dispose: () => pipeline.dispose() };
  }
  const { device, precision } = values;
  const { openObjectiveScorer } = await import('../../preference/open-objective-scorer.ts');
  const { ProgramCache } = await import('../../runtime/program-cache.ts');
  const programs = new ProgramCache(await engine.chooseCompute({ device, precision }));
  const parts = { programs, ...scorerTokenizer(values), env: host.env, allowVerifiers: true };
  const opened = await openObjectiveScorer({ scorer: located(scorer, host), name }, parts);
  return { scorer: opened, dispose: () => programs.dispose() };
}

/** Files are given from the working folder on. */
function located(scorer: WantedScorer, { cwd }: Host): WantedScorer {
  if (scorer.kind === 'onnx') return { ...scorer, file: resolve(cwd, scorer.file) };
  if (scorer.kind === 'preference' && scorer.weights !== undefined) {
    return { ...scorer, weights: resolve(cwd, scorer.weights) };
  }
  return scorer;
}

function warn(line: string, { stderr }: Host): void {
  stderr.write(`sgool: warning: ${line}\n`);
}

/** Endings of the files in a folder that are taken for images and clips. */
const IMAGE_FILE = /\.(png|apng|jpe?g|webp|bmp|p[bgp]m|pnm|gif|tiff?|avif|mp4)$/i;

/** The images that paths name, those in folders included, in the order of their names. */
async function imagesIn(places: readonly string[], host: Host) {
  const images: string[] = [];
  let hasFolder = false;
  for (const place of places) {
    const path = inputPath(place, host);
    if (path === STDIN || !(await files.isFolder(path))) {
      images.push(path);
      continue;
    }
    hasFolder = true;
    const inside = ((await files.list(path)) ?? []).filter((name) => IMAGE_FILE.test(name)).sort();
    if (inside.length === 0) throw wrong(`${place}: the folder holds no image`);
    images.push(...inside.map((name) => join(path, name)));
  }
  return { images: [...new Set(images)], hasFolder };
}

const FORMATS = ['table', 'csv', 'jsonl'] as const;
type Format = (typeof FORMATS)[number];

/** The format that was typed, else the one that the name of the file says. */
function formatFor(format: string | undefined, target: OutputTarget | undefined): Format | undefined {
  if (format !== undefined) {
    const known = FORMATS.find((one) => one === format);
    if (known !== undefined) return known;
    throw wrong(
      `--format: not usable, got ${format || 'nothing'}; choose one of ${FORMATS.join(', ')}${didYouMean(format, FORMATS)}`,
    );
  }
  if (target === undefined) return undefined;
  if (!target.isPlain) return 'table';
  const ending = extname(target.path).toLowerCase();
  const known: Readonly<Record<string, Format>> = {
    '.csv': 'csv',
    '.jsonl': 'jsonl',
    '.ndjson': 'jsonl',
    '.txt': 'table',
  };
  if (known[ending] !== undefined) return known[ending];
  throw wrong(
    `--out: ${basename(target.path)} does not say its format; end it in ${Object.keys(known).join(', ')}, or give --format`,
  );
}

/** The columns of scores; those of clips have one more for the lowest frame. */
const columnsOf = (wanted: readonly Wanted[]): string[] =>
  wanted.flatMap((one) => (areModelClips(one) ? [MODEL_CLIP, 'clip_b'] : [one.name]));

const leastOf = (column: string): string => `${column}:least`;

/** Digits behind the point of a score: those of the scales that are known. */
function digitsOf(score: string): number {
  const [column] = score.split(':least');
  const isKnown = (name: string): name is ScorerName => SCORER_NAMES.some((one) => one === name);
  if (isKnown(column)) return SCORERS[column].digits;
  return column.startsWith('clip') ? 2 : 4;
}

const SORT_NAMES = ['image', 'prompt', 'none'] as const;

function checkSort(sort: string | undefined, columns: readonly string[]): void {
  const names = [...columns, ...columns.map(leastOf), ...SORT_NAMES];
  if (sort === undefined || names.includes(sort)) return;
  throw wrong(
    `--sort: not usable, got ${sort || 'nothing'}; choose one of ${names.join(', ')}${didYouMean(sort, names)}`,
  );
}

/** The highest score first; texts by their letters. */
function sortRows(rows: readonly Row[], by: string | undefined): readonly Row[] {
  if (by === undefined || by === 'none') return rows;
  if (by === 'image' || by === 'prompt')
    return rows.toSorted((a, b) => (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0));
  const value = ({ scores }: Row) => scores[by] ?? Number.NEGATIVE_INFINITY;
  return rows.toSorted((a, b) => value(b) - value(a));
}

const rowForJson = ({ image, prompt, scores, frames }: Row) => ({
  image,
  prompt,
  ...scores,
  ...(frames && { frames }),
});

function formatRows(rows: readonly Row[], columns: readonly string[], format: Format, host: Host): string {
  if (format === 'jsonl') return rows.map((row) => `${JSON.stringify(rowForJson(row))}\n`).join('');
  const used = columns
    .flatMap((column) => [column, leastOf(column)])
    .filter((column) => rows.some(({ scores }) => column in scores));
  if (format === 'csv') {
    const cells = rows.map(({ image, prompt, scores }) => [
      image,
      prompt,
      ...used.map((column) => scores[column] ?? ''),
    ]);
    // RFC 4180: lines end in CR LF.
    return [['image', 'prompt', ...used], ...cells]
      .map((row) => `${row.map(csvCell).join(',')}\r\n`)
      .join('');
  }
  const hasPrompts = rows.some(({ prompt }) => prompt !== rows[0].prompt);
  const table = rows.map(({ image, prompt, scores }) => [
    ...used.map((column) => scores[column]?.toFixed(digitsOf(column)) ?? '-'),
    shownPath(image, host),
    ...(hasPrompts ? [oneLine(prompt)] : []),
  ]);
  return `${formatTable([[...used, 'image', ...(hasPrompts ? ['prompt'] : [])], ...table])}\n`;
}

function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
