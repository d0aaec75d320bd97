/**
 * @file Weights that no model folder brings along and that lie behind links on web pages only: added once, found again by
 * every model. They are kept in `weights/<name>` of the user's data folder, as `config.json` and `model.safetensors`.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { type TensorToWrite, writeSafetensors } from '../formats/safetensors.ts';
import { valuesOf } from '../formats/tensor-views.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import type { Environment } from '../hub/environment.ts';
import { fileSystemReason, writeFileAtomic } from '../sources/atomic-file.ts';
import type { Config } from './model-folder.ts';

/** Networks that can be added by file. */
export const ADDED_NAMES = [
  'transalnet',
  'hps-v1',
  'hps-v2',
  'hps-v2.1',
  'pickscore',
  'image-reward',
] as const;
export type AddedName = (typeof ADDED_NAMES)[number];

/**
 * The user's data folder of sgool: `SGOOL_DATA_DIR`, else `sgool` in `XDG_DATA_HOME` or `~/.local/share`; on a Mac in
 * `~/Library/Application Support`, on Windows in `LOCALAPPDATA`.
 */
export function userDataDir(env: Environment = process.env, platform = process.platform): string {
  if (env.SGOOL_DATA_DIR) return resolve(env.SGOOL_DATA_DIR);
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, 'sgool');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'sgool');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'), 'sgool');
  return join(homedir(), '.local', 'share', 'sgool');
}

const addedDir = (name: AddedName, env?: Environment) => join(userDataDir(env), 'weights', name);

/** The folder of weights that were added under this name: a network's folder, as in a model. */
export function findAdded(name: AddedName, env?: Environment): string | undefined {
  const dir = addedDir(name, env);
  return existsSync(join(dir, 'config.json')) ? dir : undefined;
}

/**
 * Puts a copy of the weights where {@link findAdded} looks, in the place of what was there.
 *
 * @param config as the network reads it
 * @param tensors by the names of the network; read one after the other
 * @param files texts to keep beside them, by name: a vocabulary
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
  const temporary = `${dir}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    await writeSafetensors(join(temporary, 'model.safetensors'), lazily(tensors), { format: 'pt' });
    for (const [file, text] of Object.entries(files)) await writeFileAtomic(join(temporary, file), text);
    await writeFileAtomic(join(temporary, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
    await rm(dir, { recursive: true, force: true });
    await rename(temporary, dir);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write ${dir}: ${reason}`, { cause: error });
  }
  return dir;
}

/** Each tensor is read when it is its turn to be written, so that one of them is in memory at a time. */
function lazily(tensors: ReadonlyMap<string, WeightTensor>): Record<string, TensorToWrite> {
  return Object.fromEntries(
    [...tensors].map(([name, tensor]) => [
      name,
      {
        dtype: tensor.dtype,
        shape: tensor.shape,
        get data() {
          return valuesOf(tensor);
        },
      },
    ]),
  );
}
