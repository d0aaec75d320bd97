/** @file The JSON files of a model. */
import { files } from '#platform';
import { UserError } from '../../errors.ts';

/** The content of a config file, unchecked; each network reads the keys that it knows. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws UserError when it is missing, unreadable, or not an object
 */
export async function readConfig(path: string): Promise<Config> {
  const text = await files.readText(path);
  let value: unknown;
  try {
    value = JSON.parse(withoutPythonNumbers(text));
  } catch (error) {
    throw new UserError(`${path}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`${path}: must hold a JSON object, got ${JSON.stringify(value).slice(0, 60)}`);
  }
  return value as Config;
}

/**
 * Python writes -Infinity, Infinity and NaN into JSON, which has no such numbers; a scheduler of diffusers has -Infinity by default.
 * They become numbers too large for float64, and null.
 */
function withoutPythonNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) => {
    if (found.startsWith('"')) return found;
    if (found === 'NaN') return 'null';
    return found.startsWith('-') ? '-1e999' : '1e999';
  });
}
