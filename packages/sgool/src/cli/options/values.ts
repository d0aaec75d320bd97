/** @file Where values come from: command line before environment before file; the defaults are the method's. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { type CliOption, checkValue, VALUE_SCHEMAS, type Values } from './options.ts';
import { closest, didYouMean } from './suggest.ts';

/** Read from the folder that the command is run in, when it is there. */
export const CONFIG_FILE = 'sgool.config.json';

/** Names with our prefix that are no option of `generate`. */
const OTHER_VARIABLES = ['SGOOL_DEBUG'];

const variableOf = ({ flag }: CliOption) => `SGOOL_${flag.toUpperCase().replaceAll('-', '_')}`;

/** What the environment says, and a warning for each variable that looks like a misspelt one of ours. */
export function environmentValues(
  env: Readonly<Record<string, string | undefined>>,
  options: readonly CliOption[],
): { values: Values; warnings: string[] } {
  const byVariable = new Map(options.map((option) => [variableOf(option), option]));
  const known = [...byVariable.keys(), ...OTHER_VARIABLES];
  let values: Values = {};
  const warnings: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SGOOL_') || text === undefined || text === '') continue;
    const option = byVariable.get(name);
    if (option !== undefined) {
      values = { ...values, ...option.parse(text, name) };
      continue;
    }
    const meant = OTHER_VARIABLES.includes(name) ? undefined : closest(name, known);
    if (meant !== undefined)
      warnings.push(`${name} in the environment means nothing (did you mean ${meant}?)`);
  }
  return { values, warnings };
}

/**
 * What `sgool.config.json` says: an object with the keys of a request, for instance
 * `{ "model": "toybox", "guidanceScale": 5, "out": "images" }`.
 *
 * @throws UserError when it is there but unreadable, no object, or has an unknown key
 */
export async function fileValues(cwd: string): Promise<Values> {
  let text: string;
  try {
    text = await readFile(join(cwd, CONFIG_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UserError(`cannot read ${CONFIG_FILE}: ${(error as Error).message}`, { cause: error });
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${CONFIG_FILE}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UserError(`${CONFIG_FILE}: must hold a JSON object, got ${text.trim().slice(0, 60)}`);
  }
  const known = Object.keys(VALUE_SCHEMAS);
  let values: Values = {};
  for (const [key, value] of Object.entries(content)) {
    if (key === '$schema') continue;
    if (!known.includes(key)) {
      throw new UserError(
        `${CONFIG_FILE}: unknown key ${key}${didYouMean(key, known)}; choose from ${known.join(', ')}`,
      );
    }
    values = { ...values, ...checkValue(key as keyof Values, value, `${CONFIG_FILE}: ${key}`) };
  }
  return values;
}
