/** @file A short hash of what a result depends on besides prompt and seed. */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Hash of every file in a model folder and of further files that exist. The model's hints, sgool.json, are left out: settings contain them. */
export async function hashFiles(folder: string, ...files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const inside = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = inside
    .filter((entry) => entry.isFile() && entry.name !== 'sgool.json')
    .map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of [...paths.sort(), ...files]) {
    const content = await readFile(file).catch(() => undefined);
    if (content) hash.update(path.basename(file)).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Of a model's hash and the settings that a method runs with. */
export function fingerprintOf(model: string, settings: object): string {
  return createHash('sha256').update(model).update(JSON.stringify(settings)).digest('hex').slice(0, 16);
}
