/** @file The folder of an evaluation as a command finds it: new, or one that the same command began. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { seedForJson } from '../../random/seed.ts';
import { withLock } from '../../weights/hub/lock.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import type { Manifest, ScoreInfo } from '../cells/manifest.ts';
import { EVALUATION_FILES, readManifest } from '../cells/run-folder.ts';
import { checkSameEvaluation } from './manifest-of.ts';

/**
 * Makes the folder of an evaluation, or takes the one that is there; scores that it does not have yet are added to it.
 *
 * @returns its manifest
 * @throws UserError where the folder holds another evaluation, or scores by other weights, or cannot be written
 */
export async function claimEvaluation(folder: string, wanted: Manifest): Promise<Manifest> {
  const path = join(folder, EVALUATION_FILES.manifest);
  const write = async (manifest: Manifest) => {
    await writeFileAtomic(path, manifestText(manifest));
    return readManifest(folder);
  };
  try {
    await makeFolders(folder);
    // Two processes may begin it, or add scores, at once.
    return await withLock(join(folder, EVALUATION_FILES.lock), async () => {
      if (!existsSync(path)) return write(wanted);
      const found = await readManifest(folder);
      checkSameEvaluation(folder, found, wanted);
      const added = newScores(folder, found.scores, wanted.scores);
      return added.length === 0 ? found : write({ ...found, scores: [...found.scores, ...added] });
    });
  } catch (error) {
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`--out: cannot write in ${folder}: ${reason}`, { cause: error });
  }
}

/** The manifest as a file. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, seeds: manifest.seeds.map(seedForJson) }, undefined, 1)}\n`;
}

/** Scores that an evaluation does not have. @throws UserError where one of the same name is by other weights */
function newScores(folder: string, found: readonly ScoreInfo[], wanted: readonly ScoreInfo[]): ScoreInfo[] {
  return wanted.filter((info) => {
    const same = found.find(({ name }) => name === info.name);
    if (same === undefined) return true;
    for (const key of ['weights', 'preprocessing'] as const) {
      if (same[key] === info[key]) continue;
      const [before, now] = [same[key], info[key]].map((value) => value?.slice(0, 60) ?? 'none');
      throw new UserError(
        `--scorer: ${folder} has the score ${info.name} by other ${key} (${before}; now ${now}); give another folder, or the file that it was scored with`,
        { exitCode: 2 },
      );
    }
    return false;
  });
}
