/** @file From an evaluation to a blinded study: which pairs, which checks, and copies of the pictures that say nothing. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { decodeImage } from '../../image/read-image.ts';
import { resizeImage } from '../../image/resize.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { seedForJson } from '../../random/seed.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import type { DoneCell } from '../cells/cell-record.ts';
import { cellPaths, EVALUATION_FILES, type EvaluatedCell, type Evaluation } from '../cells/run-folder.ts';
import { bytesSha256 } from '../scores/weights-hash.ts';
import { shuffled } from '../shuffled.ts';
import { groupsBy, uniformFrom } from './order.ts';
import {
  picturePath,
  QUESTIONS,
  type Question,
  STUDY_FILES,
  STUDY_FORMAT,
  type Study,
  type StudyPair,
  type StudyPicture,
} from './study.ts';

export const PAIRINGS = ['all', 'reference'] as const;
export type Pairing = (typeof PAIRINGS)[number];

export interface StudyOptions {
  readonly name: string;
  readonly title: string;
  /** Labels; default all of the evaluation. */
  readonly methods?: readonly string[];
  /** Every two methods, or each against the reference. */
  readonly pairing: Pairing;
  /** Most pairs, without the checks; default 40. */
  readonly pairs?: number;
  /** Pairs that each rater sees; default all. */
  readonly perRater?: number;
  /** Attention checks; default one for every eight pairs of a rater, and at least two. */
  readonly checks?: number;
  readonly questions?: readonly Question[];
  readonly seed: number;
  readonly now: Date;
}

/** A study, and what could not be put into it. */
export interface CreatedStudy {
  readonly folder: string;
  readonly study: Study;
  /** One line each. */
  readonly notes: readonly string[];
}

/** A cell whose picture is there. */
type Shown = EvaluatedCell & { readonly record: DoneCell };
const isShown = (cell: EvaluatedCell): cell is Shown => cell.record?.status === 'done';

/** What a person rates in some ten minutes. */
const MOST_PAIRS = 40;
/** Squares along a side of a degraded picture: too few to tell anything by. */
const MOSAIC = 6;
/** Raters are left out who answer more than this share of the checks wrongly, two at least. */
const RULE = { wrongShare: 1 / 3, least: 2 } as const;

/**
 * Makes `<evaluation>/study/<name>/` with `study.json` and the pictures, which are encoded anew: no name, no text in a file and no
 * id tells the method.
 *
 * @throws UserError where there is such a study, the evaluation has clips, a method is unknown, or no pair can be made
 */
export async function createStudy(evaluation: Evaluation, options: StudyOptions): Promise<CreatedStudy> {
  const folder = join(evaluation.folder, EVALUATION_FILES.study, options.name);
  if (existsSync(join(folder, STUDY_FILES.study)))
    throw new UserError(`${folder}: there is a study of this name; give another one with --name`);
  if (evaluation.cells.some(({ record }) => record?.status === 'done' && record.clip !== undefined)) {
    throw new UserError(
      `${evaluation.folder}: it has clips, and a study shows pictures; take an evaluation without --motion`,
    );
  }
  const methods = chosenMethods(evaluation, options.methods);
  const { questions = QUESTIONS, seed } = options;
  const categories = new Map(
    evaluation.manifest.suites.flatMap(({ name, prompts }) =>
      prompts.map(({ id, category = '' }) => [JSON.stringify([name, id]), category] as const),
    ),
  );
  const categoryOf = ({ suite, prompt }: EvaluatedCell) =>
    categories.get(JSON.stringify([suite, prompt])) ?? '';
  const rows = shuffled([...groupsBy(evaluation.cells, rowOf).values()], uniformFrom(`study ${seed}`));
  const { candidates, identical, missing } = pairsOf(evaluation, rows, methods, options.pairing);
  const chosen = choosePairs(candidates, options.pairs ?? MOST_PAIRS, categoryOf);
  if (chosen.length === 0) {
    throw new UserError(
      `${evaluation.folder}: no prompt has different pictures of ${methods.join(' and ')}; see sgool evaluate status`,
    );
  }
  const perRater = Math.min(options.perRater ?? chosen.length, chosen.length);
  const notes = [
    ...(missing > 0
      ? [`left out: ${missing} ${missing === 1 ? 'pair' : 'pairs'} of which a picture was not made`]
      : []),
    ...identical.map(
      ({ methods: [a, b], pairs }) =>
        `left out: ${pairs} ${pairs === 1 ? 'pair' : 'pairs'} of ${a} and ${b} whose pictures are the same`,
    ),
    ...(options.pairs !== undefined && chosen.length < options.pairs
      ? [`there are ${chosen.length} pairs, not the ${options.pairs} asked for`]
      : []),
  ];

  const writer = new PictureWriter(evaluation, folder);
  const pairs: StudyPair[] = [];
  for (const [a, b] of chosen) {
    pairs.push({ ...placeOf(a, categoryOf(a)), a: await writer.copy(a), b: await writer.copy(b) });
  }
  const wantedChecks = options.checks ?? Math.max(2, Math.round(perRater / 8));
  const checks = await makeChecks(evaluation, rows, questions, wantedChecks, writer);
  if (checks.length < wantedChecks) {
    notes.push(
      `there are ${checks.length} attention checks, not ${wantedChecks}: they need prompts with pictures, and a question of ${QUESTIONS.map(({ id }) => id).join(' or ')}`,
    );
  }
  pairs.push(...checks);

  const study: Study = {
    format: STUDY_FORMAT,
    id: randomId(),
    name: options.name,
    title: options.title,
    created: options.now.toISOString(),
    seed,
    evaluation: {
      command: evaluation.manifest.command,
      created: evaluation.manifest.created,
      model: evaluation.manifest.model.name,
    },
    methods,
    reference: methods.includes(evaluation.manifest.reference) ? evaluation.manifest.reference : methods[0],
    questions: [...questions],
    perRater,
    rule: RULE,
    pairs,
    identical,
    pictures: bytesSha256(Buffer.from(pairs.map(({ a, b }) => `${a.sha256} ${b.sha256}`).join('\n'))),
  };
  const stored = { ...study, pairs: pairs.map((pair) => ({ ...pair, seed: seedForJson(pair.seed) })) };
  // Last: where there is a study, all of its pictures are there.
  await writeFileAtomic(join(folder, STUDY_FILES.study), `${JSON.stringify(stored, undefined, 1)}\n`);
  return { folder, study, notes };
}

const randomId = () => randomBytes(8).toString('hex');
const rowOf = ({ suite, prompt, seed }: EvaluatedCell) => JSON.stringify([suite, prompt, String(seed)]);

function chosenMethods({ folder, manifest }: Evaluation, wanted: readonly string[] | undefined): string[] {
  const known = manifest.methods.map(({ label }) => label);
  if (wanted === undefined && known.length < 2)
    throw new UserError(
      `${folder}: a study needs at least two methods, and this evaluation has only ${known[0]}`,
    );
  const methods = [...new Set(wanted ?? known)];
  for (const label of methods) {
    if (!known.includes(label))
      throw new UserError(
        `--methods: this evaluation has no ${label || 'nothing'}; choose from ${known.join(', ')}`,
      );
  }
  if (methods.length < 2)
    throw new UserError(
      `--methods: needs at least two, got ${methods.join(', ')}; choose from ${known.join(', ')}`,
    );
  return known.filter((label) => methods.includes(label));
}

type Candidate = readonly [a: Shown, b: Shown];

function pairsOf(
  { manifest }: Evaluation,
  rows: readonly (readonly EvaluatedCell[])[],
  methods: readonly string[],
  pairing: Pairing,
) {
  if (pairing === 'reference' && !methods.includes(manifest.reference)) {
    throw new UserError(
      `--pairing: the reference ${manifest.reference} is none of --methods; add it, or use --pairing all`,
    );
  }
  const couples = methods.flatMap((a, i) => methods.slice(i + 1).map((b) => [a, b] as const));
  const wanted = couples.filter((couple) => pairing === 'all' || couple.includes(manifest.reference));
  const candidates: Candidate[] = [];
  const identical: Study['identical'] = [];
  let missing = 0;
  for (const [one, other] of wanted) {
    let same = 0;
    for (const row of rows) {
      const [a, b] = [one, other].map((label) => row.filter(isShown).find((cell) => cell.label === label));
      if (a === undefined || b === undefined) missing++;
      else if (a.record.image.sha256 === b.record.image.sha256) same++;
      else candidates.push([a, b]);
    }
    if (same > 0) identical.push({ methods: [one, other], pairs: same });
  }
  return { candidates, identical, missing };
}

/** First the first of each list, then the second of each, and so on. */
function layers<T>(lists: readonly (readonly T[])[]): T[][] {
  const depth = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: depth }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1)));
}

/**
 * So many pairs, shared out evenly: over the couples of methods, then over the categories, and no prompt has a second seed before
 * all have a first.
 */
function choosePairs(
  candidates: readonly Candidate[],
  count: number,
  categoryOf: (cell: EvaluatedCell) => string,
): Candidate[] {
  const couples = groupsBy(candidates, ([a, b]) => JSON.stringify([a.label, b.label]));
  const orders = [...couples.values()].map((couple) => {
    const byPrompt = groupsBy(couple, ([{ suite, prompt }]) => JSON.stringify([suite, prompt]));
    return layers([...byPrompt.values()]).flatMap((layer) =>
      layers([...groupsBy(layer, ([a]) => categoryOf(a)).values()]).flat(),
    );
  });
  return layers(orders).flat().slice(0, count);
}

/** Copies pictures into the study. */
class PictureWriter {
  readonly #evaluation: Evaluation;
  readonly #folder: string;

  constructor(evaluation: Evaluation, folder: string) {
    this.#evaluation = evaluation;
    this.#folder = folder;
  }

  /** The picture of a cell. @throws UserError where its file is gone or is another one than the record says */
  async read({ id, record }: Shown): Promise<Image> {
    const path = cellPaths(this.#evaluation.folder, id).image;
    const file = await files.readBytes(path, SIZE_LIMITS.picture).catch((error: unknown) => {
      throw new UserError(
        `${path}: the picture is missing; run sgool evaluate rebuild, then the evaluation`,
        {
          cause: error,
        },
      );
    });
    if (bytesSha256(file) !== record.image.sha256)
      throw new UserError(`${path}: is not the picture that was scored, its SHA-256 differs from the record`);
    return decodeImage(file, path);
  }

  async write(image: Image, cell: string, label?: string): Promise<StudyPicture> {
    const png = encodePng(image);
    const picture = {
      id: randomId(),
      sha256: bytesSha256(png),
      width: image.width,
      height: image.height,
      cell,
      ...(label === undefined ? {} : { label }),
    };
    const path = picturePath(this.#folder, picture);
    await makeFolders(dirname(path));
    if (!existsSync(path)) await writeFileAtomic(path, png);
    return picture;
  }

  /** The picture of a cell, with its method. */
  async copy(cell: Shown): Promise<StudyPicture> {
    return this.write(await this.read(cell), cell.id, cell.label);
  }
}

/** The place of a pair: prompt, seed, and an id. */
function placeOf({ suite, prompt, seed, cell }: Shown, category: string) {
  return {
    id: randomId(),
    suite,
    prompt,
    text: cell.prompt,
    ...(category === '' ? {} : { category }),
    seed,
  };
}

/**
 * Attention checks: in turn the best picture of a prompt against a mosaic of itself, and against the best picture of a prompt that
 * shares no word with it. They come from the half of the prompts whose best pictures score highest, so that the right picture
 * shows what the text says.
 */
async function makeChecks(
  evaluation: Evaluation,
  rows: readonly (readonly EvaluatedCell[])[],
  questions: readonly Question[],
  count: number,
  writer: PictureWriter,
): Promise<StudyPair[]> {
  // Answers to questions of one's own are not known.
  const known = questions.filter(({ id }) => QUESTIONS.some((question) => question.id === id));
  const ofText = known.filter(({ showsText }) => showsText).map(({ id }) => id);
  const all = known.map(({ id }) => id);
  const score = evaluation.manifest.scores.find(({ isAveraged }) => isAveraged);
  const qualityOf = ({ record }: Shown) => {
    const value = (score && record.scores[score.name]) ?? 0;
    return score?.higherIsBetter === false ? -value : value;
  };
  const best = rows.flatMap((row) =>
    row
      .filter(isShown)
      .toSorted((a, b) => qualityOf(b) - qualityOf(a))
      .slice(0, 1),
  );
  const median = best.map(qualityOf).toSorted((a, b) => b - a)[Math.ceil(best.length / 2) - 1];
  const good = best.filter((cell) => qualityOf(cell) >= median);
  const checks: StudyPair[] = [];
  if (all.length === 0) return checks;
  for (let i = 0; i < count && i < 2 * good.length; i++) {
    const right = good[i % good.length];
    const other = good.find((cell) => sharesNoWord(cell.cell.prompt, right.cell.prompt));
    const image = await writer.read(right);
    const place = { ...placeOf(right, ''), a: await writer.write(image, right.id) };
    if (i % 2 === 1 && other !== undefined && ofText.length > 0) {
      const b = await writer.write(await writer.read(other), other.id);
      checks.push({ ...place, b, check: { kind: 'wrong-prompt', questions: ofText } });
    } else {
      const b = await writer.write(mosaic(image), right.id);
      checks.push({ ...place, b, check: { kind: 'degraded', questions: all } });
    }
  }
  return checks;
}

/** A picture in a few large squares. */
export function mosaic(image: Image): Image {
  const small = resizeImage(image, MOSAIC, MOSAIC, 'bilinear');
  return resizeImage(small, image.width, image.height, 'nearest');
}

/** Whether two prompts share no word but articles, prepositions and the like. */
export function sharesNoWord(a: string, b: string): boolean {
  const words = (text: string) =>
    (text.toLowerCase().match(/\p{L}+/gu) ?? []).filter((word) => !COMMON.has(word));
  const others = new Set(words(b));
  return others.size > 0 && words(a).every((word) => !others.has(word));
}
const COMMON = new Set(
  'a an the and or of on in to with without at by for from left right above below behind front is are no not'.split(
    ' ',
  ),
);
