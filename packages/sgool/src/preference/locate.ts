/** @file Where the weights and the vocabulary of a preference model are: added by hand, or pulled from the Hub. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.ts';
import {
  loadBlipTokenizer,
  openClipTokenizer,
  type Tokenizer,
  type WordPieceTokenizer,
} from '../text/index.ts';
import { findSnapshot, listCachedModels } from '../weights/hub/cache.ts';
import { ADDED_NAMES, type Environment, findAdded } from '../weights/index.ts';
import { SCORERS, type ScorerName } from './scorer-names.ts';

/** How people get the weights, as the end of a message. */
export function howToGet(name: ScorerName): string {
  const { hub, page } = SCORERS[name];
  const add = `sgool models add ${name} <file>`;
  if (hub === undefined) return `download the file that ${page} links, then: ${add}`;
  const file = hub.file === undefined ? '' : ` --file ${hub.file}`;
  return `fetch them with: sgool models pull ${hub.ids[0]}${file}, or add what you have: ${add}`;
}

/**
 * The file or folder of a preference model's weights: what was added by hand, else what was pulled from the Hub.
 *
 * @throws UserError that says how to get them
 */
export function findScorerWeights(name: ScorerName, env?: Environment): string {
  const added = findAdded(name, env);
  if (added !== undefined) return added;
  const { hub } = SCORERS[name];
  for (const id of hub?.ids ?? []) {
    const snapshot = findSnapshot(id, undefined, env);
    if (snapshot === undefined) continue;
    const place = hub!.file === undefined ? snapshot.dir : join(snapshot.dir, hub!.file);
    if (existsSync(place)) return place;
  }
  throw new UserError(`scorer ${name}: its weights are not here; ${howToGet(name)}`);
}

/**
 * Folders, the likeliest first, that may hold a vocabulary: beside the weights, with other weights that were added, in
 * pulled models.
 *
 * @param file that a folder must have
 */
export function vocabularyPlaces(weights: string, file: string, env?: Environment): string[] {
  const near = existsSync(join(weights, 'config.json')) ? weights : dirname(weights);
  const added = ADDED_NAMES.flatMap((name) => findAdded(name, env) ?? []);
  const pulled = listCachedModels(env).map(({ dir }) => dir);
  const dirs = [near, ...added, ...pulled].flatMap((dir) => [dir, join(dir, 'tokenizer')]);
  return [...new Set(dirs)].filter((dir) => existsSync(join(dir, file)));
}

/**
 * CLIP's tokenizer for a text tower with so many words: the one that is given, else the first that is found and fits.
 *
 * @param given folder with `vocab.json` and `merges.txt`, or OpenAI's `bpe_simple_vocab_16e6.txt.gz`
 * @throws UserError when there is none that fits
 */
export async function findClipTokenizer(
  name: ScorerName,
  words: number,
  { weights, given, env }: { weights: string; given?: string; env?: Environment },
): Promise<Tokenizer> {
  if (given !== undefined) {
    const tokenizer = await openClipTokenizer(given);
    if (tokenizer.vocabSize === words) return tokenizer;
    throw new UserError(
      `scorer ${name}: the tokenizer ${given} has ${tokenizer.vocabSize} tokens; the weights are for ${words}`,
    );
  }
  for (const place of vocabularyPlaces(weights, 'merges.txt', env)) {
    const tokenizer = await openClipTokenizer(place).catch(() => undefined);
    if (tokenizer?.vocabSize === words) return tokenizer;
  }
  throw new UserError(
    `scorer ${name}: CLIP's vocabulary is not here; give a folder with vocab.json and merges.txt, or bpe_simple_vocab_16e6.txt.gz, with --tokenizer, or fetch one with: sgool models pull openai/clip-vit-large-patch14 --file vocab.json`,
  );
}

/**
 * The tokenizer of BLIP for a text encoder with so many words: the one that is given, else the first that is found and fits.
 *
 * @param given `vocab.txt` of bert-base-uncased, or a folder with it
 * @throws UserError when there is none that fits
 */
export async function findBlipTokenizer(
  words: number,
  { weights, given, env }: { weights: string; given?: string; env?: Environment },
): Promise<WordPieceTokenizer> {
  if (given !== undefined) {
    const inside = join(given, 'vocab.txt');
    const tokenizer = await loadBlipTokenizer(existsSync(inside) ? inside : given);
    if (tokenizer.vocabSize === words) return tokenizer;
    throw new UserError(
      `scorer image-reward: the vocabulary ${given} has ${tokenizer.vocabSize} tokens with BLIP's two; the weights are for ${words}`,
    );
  }
  for (const place of vocabularyPlaces(weights, 'vocab.txt', env)) {
    const tokenizer = await loadBlipTokenizer(join(place, 'vocab.txt')).catch(() => undefined);
    if (tokenizer?.vocabSize === words) return tokenizer;
  }
  throw new UserError(
    'scorer image-reward: the vocabulary of bert-base-uncased is not here; give its vocab.txt with --tokenizer, or fetch it with: sgool models pull google-bert/bert-base-uncased --file vocab.txt',
  );
}
