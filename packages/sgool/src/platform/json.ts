/** @file JSON from files, and from texts inside files. Everything but the header of safetensors, which has its own rules, is read here. */
import { UserError } from '../errors.ts';

/** Deepest nesting. The files of models have 10 levels; code that walks a value calls itself once for each. */
export const MAX_DEPTH = 100;

/** Which names of keys are accepted. */
export type JsonKeys =
  /** Names that the reader knows: each once, and none that sets the prototype of an object. */
  | 'once'
  /** Tokens of a vocabulary, or names of tensors: any text, the last value counts, as for Python. */
  | 'any';

/**
 * Parses a text.
 *
 * @param who names the text in messages
 * @throws UserError in one line, where it is not JSON, is nested too deeply, or has a key twice
 */
export function parseJson(text: string, who: string, keys: JsonKeys = 'once'): unknown {
  const own = text.replace(/^\ufeff/, '');
  const problem = problemOf(own, keys);
  if (problem !== undefined) throw new UserError(`${who}: ${problem}`);
  try {
    return JSON.parse(own);
  } catch (cause) {
    const { message } = cause as Error;
    throw new UserError(`${who}: not valid JSON: ${message}`, { cause });
  }
}

/**
 * Parses a text that must hold an object.
 *
 * @throws UserError as {@link parseJson} does
 */
export function parseJsonObject(text: string, who: string, keys?: JsonKeys): Record<string, unknown> {
  const value = parseJson(text, who, keys);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new UserError(`${who}: must hold a JSON object, got ${JSON.stringify(value).slice(0, 60)}`);
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const isSpace = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** What `JSON.parse` accepts and we do not. One pass, without recursion and without memory for what is not a key. */
function problemOf(text: string, keys: JsonKeys): string | undefined {
  /** The keys of each open object; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      let next = end + 1;
      while (isSpace(text.charCodeAt(next))) next++;
      if (text.charCodeAt(next) === COLON && keys === 'once') {
        const problem = problemOfKey(text.slice(at, end + 1), open.at(-1));
        if (problem !== undefined) return problem;
      }
      at = end;
    } else if (text[at] === '{' || text[at] === '[') {
      open.push(text[at] === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH) return `its JSON is nested more than ${MAX_DEPTH} levels deep`;
    } else if (text[at] === '}' || text[at] === ']') open.pop();
  }
  return undefined;
}

/** The place of the quote that ends a string; the end of the text where there is none. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return text.length;
}

function problemOfKey(written: string, known: Set<string> | undefined): string | undefined {
  let key: string;
  try {
    key = JSON.parse(written);
  } catch {
    return undefined; // `JSON.parse` of the whole text says what is wrong
  }
  if (key === '__proto__') return 'the key __proto__ is refused: in JavaScript it would change other values';
  if (known?.has(key)) return `the key ${JSON.stringify(key).slice(0, 80)} is there twice`;
  known?.add(key);
  return undefined;
}
