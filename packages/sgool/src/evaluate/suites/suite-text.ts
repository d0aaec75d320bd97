/** @file Prompts from the text of a file: one per line, a table (CSV, TSV), a JSON object per line, or a list in Python source. */
import { createHash } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { clauseSchema } from './clause.ts';
import type { SuitePrompt } from './suite.ts';

export const SUITE_FORMATS = ['txt', 'csv', 'tsv', 'jsonl', 'json', 'python'] as const;
export type SuiteFormat = (typeof SUITE_FORMATS)[number];

/** Which columns, or keys, hold what. */
export interface SuiteColumns {
  readonly prompt: string;
  readonly category?: string;
  readonly id?: string;
}

/** Most prompts of a suite, and most characters of one. */
const MOST_PROMPTS = 100_000;
const MOST_CHARACTERS = 10_000;

/** Columns that are recognised without a description, in lower case; the first that a file has is taken. */
const KNOWN_COLUMNS = {
  prompt: ['prompt', 'prompts', 'text', 'caption'],
  category: ['category', 'phenomenon', 'tag', 'challenge', 'type'],
  id: ['id'],
} as const;

const readingsSchema = z.array(z.array(clauseSchema).min(1)).min(1);

/** A prompt with the place that it comes from. */
interface Row {
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * The prompts of a file.
 *
 * @param name of the file, for messages
 * @param columns for tables and JSON; default: the usual names
 * @throws UserError in one line: which line is empty or broken, which column is missing
 */
export function suitePrompts(
  text: string,
  format: SuiteFormat,
  name: string,
  columns?: SuiteColumns,
): SuitePrompt[] {
  const rows = READERS[format](text.replace(/^\ufeff/, ''), name);
  if (rows.length === 0) throw new UserError(`${name}: holds no prompt`);
  if (rows.length > MOST_PROMPTS) {
    throw new UserError(`${name}: holds ${rows.length} prompts, the most are ${MOST_PROMPTS}`);
  }
  const keys = columns ?? guessColumns(rows, name);
  const prompts = rows.map((row, i) => promptOf(row, keys, String(i + 1), name));
  const seen = new Map<string, number>();
  prompts.forEach(({ id }, i) => {
    const before = seen.get(id);
    if (before !== undefined) {
      throw new UserError(`${name}: line ${rows[i].line}: the id ${id} is that of line ${rows[before].line}`);
    }
    seen.set(id, i);
  });
  return prompts;
}

/** SHA-256 of prompts in order: ids, texts, categories, and the clauses that images are judged by. */
export function suiteHash(prompts: readonly SuitePrompt[]): string {
  const hash = createHash('sha256');
  for (const { id, text, category = '', readings = [] } of prompts) {
    hash.update(`${JSON.stringify([id, text, category, readings])}\n`);
  }
  return hash.digest('hex');
}

/** The format that the ending of a file's name says. */
export function formatOf(name: string): SuiteFormat | undefined {
  const ending = /\.(\w+)$/.exec(name)?.[1].toLowerCase() ?? '';
  return SUITE_FORMATS.find((format) => format === ENDINGS[ending]);
}

const ENDINGS: Readonly<Record<string, SuiteFormat>> = {
  txt: 'txt',
  csv: 'csv',
  tsv: 'tsv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  py: 'python',
};

function guessColumns([{ values }]: readonly Row[], name: string): SuiteColumns {
  const keys = Object.keys(values);
  const find = (known: readonly string[]) =>
    known.map((one) => keys.find((key) => key.trim().toLowerCase() === one)).find((key) => key !== undefined);
  const prompt = find(KNOWN_COLUMNS.prompt);
  if (prompt === undefined) {
    throw new UserError(
      `${name}: has no column with prompts, got ${keys.join(', ') || 'none'}; call it ${KNOWN_COLUMNS.prompt[0]}`,
    );
  }
  const [category, id] = [find(KNOWN_COLUMNS.category), find(KNOWN_COLUMNS.id)];
  return { prompt, ...(category === undefined ? {} : { category }), ...(id === undefined ? {} : { id }) };
}

function promptOf({ line, values }: Row, columns: SuiteColumns, number: string, name: string): SuitePrompt {
  const textOf = (key: string) => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
  };
  const text = textOf(columns.prompt);
  if (text === '') {
    throw new UserError(`${name}: line ${line}: the prompt (${columns.prompt}) is empty; remove the line`);
  }
  if (text.length > MOST_CHARACTERS) {
    throw new UserError(
      `${name}: line ${line}: the prompt has ${text.length} characters, the most are ${MOST_CHARACTERS}`,
    );
  }
  const category = columns.category === undefined ? '' : textOf(columns.category);
  const id = columns.id === undefined ? '' : textOf(columns.id);
  const { readings } = values;
  const clauses = readings === undefined ? undefined : readingsSchema.safeParse(readings);
  if (clauses?.success === false) {
    const [issue] = clauses.error.issues;
    throw new UserError(`${name}: line ${line}: readings.${issue.path.join('.')}: ${issue.message}`);
  }
  return {
    id: id || number,
    text,
    ...(category === '' ? {} : { category }),
    ...(clauses === undefined ? {} : { readings: clauses.data }),
  };
}

const READERS: Readonly<Record<SuiteFormat, (text: string, name: string) => Row[]>> = {
  txt(text) {
    const lines = text.split(/\r\n|\n|\r/);
    // The last line ends in a line break, too.
    if (lines.at(-1) === '') lines.pop();
    return lines.map((line, i) => ({ line: i + 1, values: { prompt: line } }));
  },
  csv: (text, name) => table(text, name, { delimiter: ',', quote: '"' }),
  // As published (PartiPrompts): a quotation mark is a character of the prompt.
  tsv: (text, name) => table(text, name, { delimiter: '\t', quote: false }),
  jsonl(text, name) {
    return text.split(/\r\n|\n/).flatMap((line, i) => {
      if (line.trim() === '') return [];
      return [
        {
          line: i + 1,
          values: objectOf(parseJson(line, `${name}: line ${i + 1}`), `${name}: line ${i + 1}`),
        },
      ];
    });
  },
  json(text, name) {
    const value = parseJson(text, name);
    // A list, or a list for each category, as Attend-and-Excite has it.
    const lists = Array.isArray(value) ? { '': value } : objectOf(value, name);
    const items = Object.entries(lists).flatMap(([category, list]) => {
      if (!Array.isArray(list)) throw new UserError(`${name}: ${category} must be a list of prompts`);
      return list.map((item: unknown) => ({ category, item }));
    });
    return items.map(({ category, item }, i) => ({
      line: i + 1,
      values: {
        ...(category === '' ? {} : { category }),
        ...(typeof item === 'string' ? { prompt: item } : objectOf(item, `${name}: entry ${i + 1}`)),
      },
    }));
  },
  python: pythonList,
};

function table(text: string, name: string, options: { delimiter: string; quote: string | false }): Row[] {
  try {
    const records: { info: { lines: number }; record: Record<string, string> }[] = parse(text, {
      ...options,
      columns: true,
      info: true,
      skip_empty_lines: true,
      max_record_size: 1_000_000,
    });
    return records.map(({ info, record }) => ({ line: info.lines, values: record }));
  } catch (error) {
    throw new UserError(`${name}: is no table: ${(error as Error).message}`, { cause: error });
  }
}

function objectOf(value: unknown, who: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new UserError(`${who}: must be an object with a prompt`);
}

/**
 * The longest run of text literals between brackets in Python source: a list `["...", "..." "..."]`, or a table
 * `{"...": CATEGORY}`. HELM publishes prompts in this way. Nothing is executed.
 */
function pythonList(text: string, name: string): Row[] {
  const literal = /"((?:[^"\\\n]|\\.)*)"(?:\s*:\s*([A-Z_]+)\s*,)?(\s*,)?/gy;
  let best: Row[] = [];
  for (const { index } of text.matchAll(/[[{](?=\s*\n\s*")/g)) {
    const rows: Row[] = [];
    let pending = '';
    let at = index + 1;
    for (;;) {
      at = skipBlank(text, at);
      literal.lastIndex = at;
      const match = literal.exec(text);
      if (match === null) break;
      at = literal.lastIndex;
      pending += unescaped(match[1]);
      if (match[2] === undefined && match[3] === undefined && /["]/.test(text[skipBlank(text, at)] ?? ''))
        continue;
      const category = match[2] === undefined ? {} : { category: constantOf(text, match[2]) };
      rows.push({ line: lineAt(text, at), values: { prompt: pending, ...category } });
      pending = '';
    }
    if (rows.length > best.length) best = rows;
  }
  if (best.length === 0) throw new UserError(`${name}: holds no list of texts`);
  return best;
}

/** The value of a constant `NAME: str = "value"`, or the name itself. */
function constantOf(text: string, name: string): string {
  return new RegExp(`^\\s*${name}(?:: str)? = "([^"\\n]*)"`, 'm').exec(text)?.[1] ?? name.toLowerCase();
}

function skipBlank(text: string, from: number): number {
  const blank = /(?:\s|#[^\n]*)*/y;
  blank.lastIndex = from;
  blank.exec(text);
  return blank.lastIndex;
}

const lineAt = (text: string, index: number) => text.slice(0, index).split('\n').length;

const unescaped = (text: string) => text.replaceAll(/\\(["'\\])/g, '$1');
