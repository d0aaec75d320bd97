/** @file What a run must have in common with the state that it goes on from, or it would end with other bytes. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import { seedForJson } from '../../random/seed.ts';
import type { NamedEmbedding } from './file-hashes.ts';
import { FILES, SERIES_FILES } from './output-folder.ts';
import type { ResumeRecord, RunTask } from './run-record.ts';
import type { RunIdentity } from './saved-state.ts';

/** Bytes of each part of a large file that are hashed: its beginning, its middle and its end. */
const SAMPLE_BYTES = 2 ** 20;
const MAX_DEPTH = 4;

/** What is the same in every part of one run: its settings, and the files that it is made from. */
export async function identityOf(
  task: RunTask,
  { dir, weightsPath }: Pick<ModelInfo, 'dir' | 'weightsPath'>,
  { cwd }: Pick<ResumeRecord, 'cwd'>,
): Promise<RunIdentity> {
  const { prompt, negativePrompt, method, model, device, precision, settings, refine, parts } = task;
  // The weights of the model are among the files below.
  const { loras, embeddings, targetImage, inputHashes } = task;
  // A single file lies among files that have nothing to do with it.
  const isSingleFile = weightsPath !== undefined && dirname(weightsPath) === dir;
  const hashes = await filesUnder(isSingleFile ? weightsPath : dir);
  // Of what lies in these folders, only what the prompts name decides; it is among the LoRAs and embeddings below.
  const { loraDir: _, embeddingsDir: __, ...whole } = parts;
  const others = Object.values(whole).flatMap((value) => (typeof value === 'string' ? value.split(',') : []));
  for (const place of others) Object.assign(hashes, await filesUnder(resolve(cwd, place)));
  return {
    ...{ prompt, negativePrompt, method, model, device, precision, seed: seedForJson(task.seed) },
    ...{ ...settings, ...refine, ...parts },
    ...{
      loras: namesAndHashes(loras),
      embeddings: namesAndHashes(embeddings),
      targetImage,
      inputHashes,
    },
    ...Object.fromEntries(Object.entries(hashes).map(([path, hash]) => [`the file ${path}`, hash])),
  };
}

const namesAndHashes = (named: readonly NamedEmbedding[] | undefined) =>
  named?.map(({ name, hash }) => `${name} ${hash}`);

/** What a run that was stopped within its first iteration does not know yet. */
const HASHED_LATER: ReadonlySet<string> = new Set(['loras', 'embeddings']);

/** @throws UserError that names what differs */
export function refuseOtherRun(before: RunIdentity, now: RunIdentity, folder: string): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [then, today] = [before[key], now[key]].map((value) => JSON.stringify(value) ?? 'nothing');
    if (then === today || (HASHED_LATER.has(key) && before[key] === undefined)) continue;
    const what = key.startsWith('the file ') ? `${key} has changed` : `${key} is ${today}, it was ${then}`;
    throw new UserError(
      `${folder}: cannot go on: ${what} since the run began; put it back, or make the image anew with sgool repeat`,
    );
  }
}

/** Hashes of a file, or of the files of a folder, by path; nothing where there is neither. */
async function filesUnder(path: string): Promise<Record<string, string>> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return { [path]: await sampledHash(path) };
  if (!found?.isDirectory()) return {};
  const hashes: Record<string, string> = {};
  for await (const file of filesOf(path, MAX_DEPTH)) {
    hashes[relative(path, file)] = await sampledHash(file);
  }
  return hashes;
}

async function* filesOf(dir: string, depth: number): AsyncGenerator<string> {
  const entries = await readdir(dir, { withFileTypes: true });
  // A run may write into the folder of its model.
  if (entries.some(({ name }) => name === FILES.run || name === SERIES_FILES.summary)) return;
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(dir, entry.name);
    // A file of a Hub snapshot is a link.
    const found = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    if (found?.isFile()) yield path;
    else if (found?.isDirectory() && depth > 0) yield* filesOf(path, depth - 1);
  }
}

/** SHA-256 of the size and of three samples of a file: trained weights that differ do so everywhere. */
async function sampledHash(path: string): Promise<string> {
  return files.withFile(path, async ({ size, read }) => {
    const hash = createHash('sha256').update(String(size));
    const starts = size <= 3 * SAMPLE_BYTES ? [0] : [0, Math.floor(size / 2), size - SAMPLE_BYTES];
    const length = starts.length === 1 ? size : SAMPLE_BYTES;
    for (const start of starts) hash.update(await read(start, length));
    return hash.digest('hex').slice(0, 16);
  });
}
