/** @file Storing weights that were added by file, for `findAdded`. Node only. */

import { dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { lazily, writeSafetensors } from '../formats/write-safetensors.ts';
import type { Environment } from '../hub/environment.ts';
import { withLock } from '../hub/lock.ts';
import { replaceFolder, writeFileAtomic } from '../sources/atomic-file.ts';
import { makeFolders } from '../sources/make-folders.ts';
import type { Config } from '../sources/read-config.ts';
import { type AddedName, addedDir } from './added.ts';

/**
 * Stores a copy of the weights where `findAdded` finds it, replacing an earlier one.
 *
 * @param config as the network reads it
 * @param tensors by the names of the network; read one after the other
 * @param files texts to store with them, by file name: a vocabulary
 * @returns the folder
 * @throws UserError where the file system refuses
 */
export async function storeAdded(
  name: AddedName,
  config: Config,
  tensors: ReadonlyMap<string, WeightTensor>,
  env?: Environment,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const dir = addedDir(name, env);
  try {
    await makeFolders(dirname(dir));
    // Not in the weights' folder: every name there is that of a network.
    const lock = join(dirname(dirname(dir)), 'locks', name);
    await withLock(lock, () =>
      replaceFolder(dir, async (folder) => {
        await writeSafetensors(join(folder, 'model.safetensors'), lazily(tensors), { format: 'pt' });
        for (const [file, text] of Object.entries(files)) await writeFileAtomic(join(folder, file), text);
        await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
      }),
    );
  } catch (error) {
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write ${dir}: ${reason}`, { cause: error });
  }
  return dir;
}
