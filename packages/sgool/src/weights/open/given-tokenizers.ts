/** @file Tokenizers from elsewhere, each put where the model has a text encoder that it belongs to. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { TOKENIZER_OWNERS, tokenizerModel } from '../../text/load-tokenizer.ts';
import type { Environment } from '../hub/environment.ts';
import { PADDING, tokenizerName } from './flow-file.ts';
import { textEncoderPlaces } from './given-text-encoders.ts';
import type { ModelFolder, TokenizerPlace } from './model-folder.ts';
import { located } from './place.ts';

/** Whose tokenizer it is. */
export type TokenizerKind = (typeof TOKENIZER_OWNERS)[keyof typeof TOKENIZER_OWNERS];

const FOLDERS = ['', 'tokenizer', 'tokenizer_2', 'tokenizer_3'];

/**
 * Which kind of tokenizer a folder holds; undefined where it holds none.
 *
 * @throws UserError as `tokenizerModel` does
 */
export async function tokenizerKind(dir: string): Promise<TokenizerKind | undefined> {
  const model = await tokenizerModel(dir);
  return model && TOKENIZER_OWNERS[model];
}

interface Found {
  readonly dir: string;
  readonly kind: TokenizerKind;
}

/** The tokenizers of a folder: its own, or those of a whole model. */
async function tokenizersIn(nameOrPath: string, env?: Environment): Promise<Found[]> {
  const path = located(nameOrPath, env);
  const found: Found[] = [];
  for (const folder of FOLDERS) {
    const dir = folder === '' ? path : places.join(path, folder);
    const kind = await tokenizerKind(dir);
    if (kind !== undefined) found.push({ dir, kind });
  }
  return found;
}

/** Where tokenizers may come from. */
export interface GivenTokenizers {
  /** Those that replace the model's own. */
  readonly tokenizer?: string | readonly string[];
  /** Where else they are looked for if the model has none. */
  readonly beside: readonly string[];
  readonly env?: Environment;
}

interface Wanted {
  readonly kind: TokenizerKind;
  /** Keys that a tokenizer from elsewhere gets. */
  readonly padding?: TokenizerPlace['config'];
}

/** The kind of each tokenizer of a model, by its folder name. */
function kindsOf(model: ModelFolder): Map<string, Wanted> {
  const known = Object.entries(textEncoderPlaces(model)).map(([encoder, kind]): [string, Wanted] => [
    tokenizerName(encoder),
    { kind: kind === 'T5' ? 'T5' : 'CLIP', padding: PADDING[kind] },
  ]);
  return new Map(known.length > 0 ? known : [['tokenizer', { kind: 'CLIP' }]]);
}

/**
 * The tokenizers that were given, else the model's own, else one of the same kind of its own, else what is beside its parts.
 *
 * @throws UserError where a given place has no tokenizer, or one that the model has no use for
 */
export async function findTokenizers(
  model: ModelFolder,
  { tokenizer = [], beside, env }: GivenTokenizers,
): Promise<Map<string, TokenizerPlace>> {
  const wanted = kindsOf(model);
  const given: Found[] = [];
  for (const place of [tokenizer].flat()) {
    const found = await tokenizersIn(place, env);
    if (found.length === 0) {
      throw new UserError(
        `tokenizer: ${place} has no tokenizer; give a folder with tokenizer.json, or vocab.json and merges.txt (CLIP's) or spiece.model (T5's)`,
      );
    }
    const useful = found.filter(({ kind }) => [...wanted.values()].some((each) => each.kind === kind));
    if (useful.length === 0) {
      throw new UserError(
        `tokenizer: ${place} is that of a ${found[0].kind}, which this model does not have`,
      );
    }
    given.push(...useful);
  }
  const own: Found[] = [];
  for (const { dir } of model.tokenizers.values()) {
    const kind = await tokenizerKind(dir);
    if (kind !== undefined) own.push({ dir, kind });
  }
  const others: Found[] = [];
  for (const place of beside) {
    if (!(await files.isFile(located(place, env)))) others.push(...(await tokenizersIn(place, env)));
  }
  const result = new Map(model.tokenizers);
  for (const [name, { kind, padding }] of wanted) {
    const place = result.get(name);
    const hasOwn = place !== undefined && own.some(({ dir }) => dir === place.dir);
    const candidates = hasOwn ? given : [...given, ...own, ...others];
    const found = candidates.find((each) => each.kind === kind);
    if (found === undefined) continue;
    const config = padding ?? place?.config;
    result.set(name, { dir: found.dir, ...(config && { config }) });
  }
  return result;
}
