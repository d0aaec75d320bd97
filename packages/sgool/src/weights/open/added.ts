/**
 * @file Weights that no model folder contains and that are published on web pages only. They are added once and then found
 * for every model. They are kept in `weights/<name>` of the user's data folder, as `config.json` and `model.safetensors`.
 */
import { disk, host, places } from '#platform';
import type { Environment } from '../hub/environment.ts';
import { formerFolder } from '../sources/former-folder.ts';

/** Networks that can be added by file. */
export const ADDED_NAMES = [
  'transalnet',
  'hps-v1',
  'hps-v2',
  'hps-v2.1',
  'pickscore',
  'image-reward',
] as const;
/** The name of a network that can be added by file. */
export type AddedName = (typeof ADDED_NAMES)[number];

/**
 * The user's data folder of sgool: `SGOOL_DATA_DIR`, else `sgool` in `XDG_DATA_HOME` or `~/.local/share`; on a Mac in
 * `~/Library/Application Support`, on Windows in `LOCALAPPDATA`.
 */
export function userDataDir(env: Environment = host.environment, system = host.system): string {
  if (env.SGOOL_DATA_DIR) return places.resolve(env.SGOOL_DATA_DIR);
  if (env.XDG_DATA_HOME) return places.join(env.XDG_DATA_HOME, 'sgool');
  if (system === 'darwin') return places.join(host.homeFolder(), 'Library', 'Application Support', 'sgool');
  if (system === 'win32')
    return places.join(env.LOCALAPPDATA || places.join(host.homeFolder(), 'AppData', 'Local'), 'sgool');
  return places.join(host.homeFolder(), '.local', 'share', 'sgool');
}

/** The folder of weights that are or will be added under this name. */
export const addedDir = (name: AddedName, env?: Environment) =>
  places.join(userDataDir(env), 'weights', name);

/** The folder of weights that were added under this name: a network's folder, as in a model. */
export function findAdded(name: AddedName, env?: Environment): string | undefined {
  const dir = addedDir(name, env);
  // The second one is there where a process was killed while it replaced the first.
  return [dir, formerFolder(dir)].find((folder) => disk.exists(places.join(folder, 'config.json')));
}
