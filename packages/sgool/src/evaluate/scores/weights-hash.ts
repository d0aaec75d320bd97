/** @file SHA-256 of files of weights, and of whole models: what a result was made and scored with. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileSha256 } from '../../platform/file-sha256.ts';

/** SHA-256 of bytes, in hexadecimal digits. */
export function bytesSha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** SHA-256 of the weights in several files: of one, its own; of more, over theirs in the order of the paths. */
export async function filesSha256(paths: readonly string[]): Promise<string> {
  const hashes = await Promise.all(paths.toSorted().map((path) => fileSha256(path)));
  return hashes.length === 1 ? hashes[0] : createHash('sha256').update(hashes.join('\n')).digest('hex');
}

/** What decides the images of a model beside its weights: configurations, vocabularies, hints. */
const COUNTS = /\.(safetensors|bin|pth?|ckpt|gguf|json|txt)$/;

/**
 * SHA-256 over the names and hashes of all files of a model; of a single file, its own. The same model in another place has the
 * same one.
 *
 * @param place folder or file
 */
export async function modelSha256(place: string): Promise<string> {
  if (!(await stat(place)).isDirectory()) return fileSha256(place);
  const hash = createHash('sha256');
  for (const path of await filesBelow(place)) {
    if (!COUNTS.test(path)) continue;
    hash.update(`${relative(place, path).split(sep).join('/')} ${await fileSha256(path)}\n`);
  }
  return hash.digest('hex');
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).toSorted();
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      // Followed, because a snapshot of the Hub consists of links.
      return (await stat(path)).isDirectory() ? filesBelow(path) : [path];
    }),
  );
  return found.flat();
}
