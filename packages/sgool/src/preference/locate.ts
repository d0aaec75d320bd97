/** @file Finding the weights and the vocabulary of a preference model: added by file, or pulled from the Hub. */
import { disk, files, places } from '#platform';
import { UserError } from '../errors.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import { SCORERS, type ScorerName } from '../request/scorer-names.ts';
import { clipTokenizerFiles, openClipTokenizer } from '../text/clip-vocabulary.ts';
import { loadBlipTokenizer } from '../text/word-piece.ts';
import { findSnapshot, listCachedModels } from '../weights/hub/cache.ts';
import type { Environment } from '../weights/hub/environment.ts';
import { ADDED_NAMES, findAdded } from '../weights/open/added.ts';
import { resolveModel } from '../weights/open/locate-model.ts';

/**
 * Finds the file or folder of a preference model's weights: those added by file, else those pulled from the Hub.
 *
 * @throws UserError that says how to get them
 */
export function findScorerWeights(name: ScorerName, env?: Environment): string {
  const added = findAdded(name, env);
  if (added !== undefined) return added;
  const { hub, page } = SCORERS[name];
  for (const id of hub?.ids ?? []) {
    const snapshot = findSnapshot(id, undefined, env);
    if (snapshot === undefined) continue;
    const place = hub?.file === undefined ? snapshot.dir : places.join(snapshot.dir, hub.file);
    if (disk.exists(place)) return place;
  }
  const add = `sgool models add ${name} <file>`;
  const file = hub?.file === undefined ? '' : ` --file ${hub.file}`;
  const how =
    hub === undefined
      ? `download the file that ${page} links, then: ${add}`
      : `fetch them with: sgool models pull ${hub.ids[0]}${file}, or add what you have: ${add}`;
  throw new UserError(`scorer ${name}: its weights are not here; ${how}`);
}

/** Two kinds of vocabulary: of CLIP, and of BERT with the tokens that BLIP adds. */
interface VocabularyKind {
  /** Files of which a folder with such a vocabulary has one. */
  readonly files: readonly string[];
  /** A file that is such a vocabulary by itself. */
  readonly whole: RegExp;
  /** Number of tokens. */
  size(place: string): Promise<number>;
  /** Texts to store with the weights, by file name. */
  texts(place: string): Promise<Record<string, string>>;
  readonly missing: string;
}

/** The vocabulary of BLIP in a folder, or the file that is one. */
export const blipFile = (place: string) => (place.endsWith('.txt') ? place : places.join(place, 'vocab.txt'));

const CLIP_VOCABULARY: VocabularyKind = {
  files: ['merges.txt', 'tokenizer.json'],
  whole: /\.gz$/,
  size: async (place) => (await openClipTokenizer(place)).vocabSize,
  texts: clipTokenizerFiles,
  missing:
    "CLIP's vocabulary is not here; give a folder with tokenizer.json, or vocab.json and merges.txt, or bpe_simple_vocab_16e6.txt.gz, with --tokenizer, or fetch it with: sgool models pull openai/clip-vit-large-patch14 --file vocab.json",
};

const BLIP_VOCABULARY: VocabularyKind = {
  files: ['vocab.txt'],
  whole: /\.txt$/,
  size: async (place) => (await loadBlipTokenizer(blipFile(place))).vocabSize,
  texts: async (place) => ({ 'vocab.txt': await files.readText(blipFile(place), SIZE_LIMITS.vocabulary) }),
  missing:
    'the vocabulary of bert-base-uncased is not here; give its vocab.txt with --tokenizer, or fetch it with: sgool models pull google-bert/bert-base-uncased --file vocab.txt',
};

const kindOf = (name: ScorerName) => (name === 'image-reward' ? BLIP_VOCABULARY : CLIP_VOCABULARY);

/** Where to look for a vocabulary. */
export interface VocabularySearch {
  /** Size of the vocabulary that the weights need. */
  readonly words: number;
  /** File or folder of the weights; the vocabulary may be in the same folder. */
  readonly weights: string;
  /** A folder, a file, or a pulled model that the user gave; a vocabulary of the other kind is ignored. */
  readonly given?: string;
  readonly env?: Environment;
}

async function hasOneOf(dir: string, names: readonly string[]): Promise<boolean> {
  for (const name of names) {
    if (await files.exists(places.join(dir, name))) return true;
  }
  return false;
}

/** The vocabulary in a place that was given, or undefined where there is none of this kind. */
async function inPlace(
  { files: names, whole }: VocabularyKind,
  given: string,
  env?: Environment,
): Promise<string | undefined> {
  const path = resolveModel(given, env).dir;
  if (await files.isFile(path)) return whole.test(path) ? path : undefined;
  for (const dir of [path, places.join(path, 'tokenizer')]) {
    if (await hasOneOf(dir, names)) return dir;
  }
  return undefined;
}

/**
 * Finds the vocabulary of a preference model: the given one, else the first of the right size beside the weights, with other
 * added weights, or in a pulled model.
 *
 * @returns a folder, or a file that is a vocabulary by itself
 * @throws UserError when none fits
 */
export async function findVocabulary(
  name: ScorerName,
  { words, weights, given, env }: VocabularySearch,
): Promise<string> {
  const kind = kindOf(name);
  const named = given === undefined ? undefined : await inPlace(kind, given, env);
  if (named !== undefined) {
    const size = await kind.size(named);
    if (size === words) return named;
    throw new UserError(
      `scorer ${name}: the vocabulary ${given} has ${size} tokens; the weights are for ${words}`,
    );
  }
  const beside = (await files.isFolder(weights)) ? weights : places.dirname(weights);
  const added = ADDED_NAMES.flatMap((other) => findAdded(other, env) ?? []);
  const pulled = listCachedModels(env).map(({ dir }) => dir);
  for (const dir of new Set(
    [beside, ...added, ...pulled].flatMap((path) => [path, places.join(path, 'tokenizer')]),
  )) {
    if (!(await hasOneOf(dir, kind.files))) continue;
    if ((await kind.size(dir).catch(() => undefined)) === words) return dir;
  }
  throw new UserError(`scorer ${name}: ${kind.missing}`);
}

/**
 * Reads the files of the vocabulary of a preference model, to be stored with its weights.
 *
 * @returns texts by file name; undefined where none was given or found
 * @throws UserError when the given one does not fit
 */
export async function vocabularyTexts(
  name: ScorerName,
  search: VocabularySearch,
): Promise<Record<string, string> | undefined> {
  const place = await findVocabulary(name, search).catch((error) => {
    if (search.given !== undefined) throw error;
  });
  return place === undefined ? undefined : kindOf(name).texts(place);
}
