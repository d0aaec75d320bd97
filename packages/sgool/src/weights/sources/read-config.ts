/** @file The JSON files of a model. */

import { readFile } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from './atomic-file.ts';

/** A config file as it stands; networks read the keys that they know. */
export type Config = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON file that must hold an object.
 *
 * @throws UserError when it is missing, unreadable, or no object
 */
export async function readConfig(path: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'the file does not exist' : (fileSystemReason(error) ?? String(error));
    throw new UserError(`cannot read ${path}: ${reason}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path}: not valid JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`${path}: must hold a JSON object, got ${JSON.stringify(value).slice(0, 60)}`);
  }
  return value as Config;
}
