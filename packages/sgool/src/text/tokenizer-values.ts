/** @file Values that the files of a tokenizer have in common. */
import { UserError } from '../errors.ts';
import type { AddedToken } from './added-tokens.ts';
import { FIRST_EMBEDDING_ID } from './embedding-tokens.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const isId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < FIRST_EMBEDDING_ID;

/** @throws UserError when a value is not an id */
export function parseIds(value: unknown, path: string): Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`tokenizer: ${path} must hold ids by their symbols`);
  }
  const wrong = Object.entries(value).find(([, id]) => !isId(id));
  if (wrong !== undefined) {
    const [symbol, id] = wrong.map((each) => JSON.stringify(each));
    throw new UserError(
      `tokenizer: ${path}: ${symbol} has id ${id}; ids must be whole numbers from 0 to ${FIRST_EMBEDDING_ID - 1}`,
    );
  }
  return value as Record<string, number>;
}

/** The flags of an added token in a JSON object that may hold more. */
export function tokenFlags(value: JsonObject): Omit<AddedToken, 'id' | 'content'> {
  const flag = (name: string, otherwise: boolean) =>
    typeof value[name] === 'boolean' ? (value[name] as boolean) : otherwise;
  return {
    lstrip: flag('lstrip', false),
    rstrip: flag('rstrip', false),
    single_word: flag('single_word', false),
    normalized: flag('normalized', !flag('special', false)),
  };
}

/** @throws UserError when it is not an object with a text, or the id is none */
export function parseAddedToken(value: unknown, id: unknown, path: string): AddedToken {
  const token = (typeof value === 'object' && value !== null ? value : {}) as JsonObject;
  if (typeof token.content !== 'string' || token.content === '' || !isId(id)) {
    const got = JSON.stringify(value)?.slice(0, 80);
    throw new UserError(`tokenizer: ${path}: an added token must have an id and a content, got ${got}`);
  }
  return { ...tokenFlags(token), id, content: token.content };
}

/** The parts of a sequence in `tokenizer.json`, under the key `list`; anything else is its only part. */
export function sequenceOf(value: unknown, list: string): unknown[] {
  const { type, [list]: parts } = (value ?? {}) as JsonObject;
  return type === 'Sequence' && Array.isArray(parts) ? parts : [value];
}

/** A special token is written as text or as an object with its text. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}
