/** @file `sgool score <image...> <prompt>`: CLIP scores, and scores of preference models, of images and clips; a table where there are several. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { leastName } from '../../evaluate/scores/network-of.ts';
import { mean, minimum } from '../../numbers.ts';
import { listOf } from '../../request/request.ts';
import { SCORER_NAMES, SCORERS } from '../../request/scorer-names.ts';
import {
  MODEL_CLIP,
  SCORER_FORMS,
  scorerName,
  type WantedScorer,
  wantedScorer,
} from '../../request/wanted-scorer.ts';
import type { PromptSyntax } from '../../text/prompt/prompt.ts';
import type { Host } from '../host.ts';
import { inputFiles, inputPath, inputVideo, STDIN } from '../inputs.ts';
import { SHARED_KEYS, type SharedKey, sharedOptions, sharedValues } from '../options/model-options.ts';
import type { OptionValues } from '../options/option.ts';
import { kebabName } from '../options/other-names.ts';
import { checkPrompt, promptSyntaxOption } from '../options/prompt.ts';
import { didYouMean } from '../options/suggest.ts';
import { readPrompts } from '../run/series.ts';
import { outputTarget, writeOutput } from '../run/write-output.ts';
import { formatTable, oneLine, shownPath } from '../terminal/format.ts';
import { usageError } from '../usage-error.ts';
import { areModelClips, IMAGES, MODEL_CLIPS, scoresOf, type Wanted, type Work } from './score/scoring.ts';
import {
  checkSort,
  columnsOf,
  digitsOf,
  FORMATS,
  formatFor,
  formatRows,
  knownScores,
  type Row,
  rowForJson,
  sortRows,
} from './score/table.ts';

interface ScoreFlags extends OptionValues {
  readonly scorer?: readonly Wanted[];
  readonly prompts?: string;
  readonly promptSyntax: PromptSyntax;
  readonly format?: string;
  readonly sort?: string;
  readonly out?: string;
  readonly json?: boolean;
}

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
    throw usageError(
      `--scorer: not usable, got ${item || 'nothing'}; choose from ${SCORER_FORMS}${didYouMean(item.trim(), ['clip', ...SCORER_NAMES])}`,
    );
  });
}

/** @throws UserError where two scores would have one name */
function checkNames(wanted: readonly Wanted[]): void {
  const twice = wanted.find(({ name }, i) => wanted.findIndex((other) => other.name === name) < i);
  if (twice === undefined) return;
  throw usageError(
    `--scorer: two scores are called ${twice.name}; give each scorer once, or rename the file`,
  );
}

const COMPUTE_KEYS = ['device', 'precision', 'deviceOptions'] as const;
/** What changes the images that a model makes, and no score of one that is there. */
const OF_NEW_IMAGES: readonly SharedKey[] = [
  ...(['lora', 'embedding', 'adapter'] as const),
  ...(['motion', 'motionNorm', 'contextFrames', 'contextStride'] as const),
];
/** What each kind of scorer reads of what is said of the model. */
const READ_BY: Readonly<Record<WantedScorer['kind'], readonly SharedKey[]>> = {
  clip: SHARED_KEYS.filter((key) => !OF_NEW_IMAGES.includes(key)),
  preference: [...COMPUTE_KEYS, 'tokenizer'],
  onnx: COMPUTE_KEYS,
  http: [],
  exec: [],
};

/** @throws UserError where something was typed that none of the scorers reads */
function refuseUnread(wanted: readonly Wanted[], flags: ScoreFlags): void {
  const unread = SHARED_KEYS.find(
    (key) => flags[key] !== undefined && !wanted.some(({ scorer }) => READ_BY[scorer.kind].includes(key)),
  );
  if (unread === undefined) return;
  throw usageError(
    `--${kebabName(unread)}: changes no score of ${listOf(wanted.map(({ name }) => name))}; leave it out`,
  );
}

async function score(words: readonly string[], flags: ScoreFlags, host: Host): Promise<void> {
  const { scorer: wanted = [MODEL_CLIPS], format, sort, json = false, out, promptSyntax } = flags;
  const promptFile = flags.prompts === undefined ? undefined : inputPath(flags.prompts, host);
  const places = promptFile === undefined ? words.slice(0, -1) : words;
  if (places.length === 0) throw usageError("missing required argument 'prompt'");
  const prompts = promptFile === undefined ? words.slice(-1) : await readPrompts(promptFile, host);
  for (const prompt of prompts) checkPrompt(prompt);
  checkNames(wanted);
  refuseUnread(wanted, flags);
  const { images, hasFolder } = await imagesIn(places, host);
  const isOne = images.length === 1 && prompts.length === 1 && !hasFolder;
  const target =
    out === undefined
      ? undefined
      : await outputTarget(resolve(host.cwd, out), '--out', inputFiles([...images, promptFile]));
  const chosen = formatFor(format, target);
  const columns = columnsOf(wanted);
  checkSort(sort, columns);
  const work = { images, prompts, promptSyntax, wanted, values: sharedValues(flags, host, OF_NEW_IMAGES) };
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

/** One image and one prompt: a line for each score. */
async function scoreOne(work: Work, json: boolean, host: Host): Promise<void> {
  const [path] = work.images;
  const [prompt] = work.prompts;
  const { wanted, values } = work;
  const [{ byFrame, truncated }] = await scoresOf([path], work, host);
  const scored = knownScores(columnsOf(wanted), byFrame);
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
    const known = knownScores(columns, byFrame);
    const scores = known.flatMap(([column, values]) => [
      [column, mean(values)] as const,
      ...(values.length > 1 ? [[leastName(column), minimum(values)] as const] : []),
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
    if (inside.length === 0) throw usageError(`${place}: the folder holds no image`);
    images.push(...inside.map((name) => join(path, name)));
  }
  return { images: [...new Set(images)], hasFolder };
}
