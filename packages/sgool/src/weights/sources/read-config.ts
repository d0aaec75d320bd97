/** @file The JSON files of a model. */
import { files, places } from '#platform';
import { parseJsonObject } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';

/** The content of a config file, unchecked; each network reads the keys that it knows. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws UserError when it is missing, unreadable, too large, nested too deeply, not an object, or has a key twice
 */
export async function readConfig(path: string): Promise<Config> {
  const text = await files.readText(path, SIZE_LIMITS.config);
  return parseJsonObject(withoutPythonNumbers(text), path);
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

/**
 * The configuration of that name in a folder of configurations, else the inferred one.
 *
 * @throws UserError as `readConfig` does
 */
export async function configured(
  folder: string | undefined,
  name: string,
  inferred: () => Config,
): Promise<Config> {
  const path = folder === undefined ? undefined : places.join(folder, name);
  return path !== undefined && (await files.exists(path)) ? readConfig(path) : inferred();
}
