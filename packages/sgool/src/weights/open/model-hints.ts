/** @file `sgool.json` of a model's folder: defaults of methods, and networks that it shares with a model beside it. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { EXTRA_NETWORKS } from '../names/extra-networks.ts';
import { type Config, readConfig } from '../sources/read-config.ts';

const KEYS = ['defaults', 'networks'];

const fileOf = (dir: string) => places.join(dir, 'sgool.json');

/** What the file says; nothing where there is none. */
async function readHints(dir: string): Promise<Config> {
  const path = fileOf(dir);
  return (await files.exists(path)) ? readConfig(path) : {};
}

/**
 * `defaults`: settings by the name of a method, or `*`; they are checked when settings are resolved.
 *
 * @throws UserError where they are no object
 */
export async function methodHints(dir: string): Promise<Config> {
  const { defaults = {} } = await readHints(dir);
  if (typeof defaults !== 'object' || defaults === null || Array.isArray(defaults)) {
    throw new UserError(
      `${fileOf(dir)}: defaults must be an object of settings by method, got ${JSON.stringify(defaults)}`,
    );
  }
  return defaults as Config;
}

/**
 * What the file says without effect, in a line each.
 *
 * @param has the networks that the model has
 */
export async function hintNotes(dir: string, has: (network: string) => boolean): Promise<string[]> {
  const path = fileOf(dir);
  const hints = await readHints(dir);
  const unknown = Object.keys(hints).filter((key) => !KEYS.includes(key));
  const missing = [...networksOf(dir, hints)].filter(([name]) => !has(name));
  return [
    ...unknown.map((key) => `${path}: ${key} is not read; it reads ${KEYS.join(', ')}`),
    ...missing.map(
      ([name, folder]) => `${path}: networks.${name}: ${folder} is not there, so the model has no ${name}`,
    ),
  ];
}

/**
 * The folders of the networks that a model takes from models beside it: `networks` of its `sgool.json`, for instance
 * `{ "clip": "toybox" }` for `../toybox/clip`.
 *
 * @param dir the model's folder
 * @returns paths by the name of the network; nothing says that they are there
 * @throws UserError where it names another network, or more than the name of a folder
 */
export async function sharedNetworks(dir: string): Promise<Map<string, string>> {
  return networksOf(dir, await readHints(dir));
}

function networksOf(dir: string, { networks = {} }: Config): Map<string, string> {
  const path = fileOf(dir);
  if (typeof networks !== 'object' || networks === null || Array.isArray(networks)) {
    throw new UserError(
      `${path}: networks must be an object of names of models by network, got ${JSON.stringify(networks)}`,
    );
  }
  return new Map(
    Object.entries(networks).map(([name, model]) => {
      if (!EXTRA_NETWORKS.some((network) => network === name)) {
        throw new UserError(
          `${path}: networks: only ${EXTRA_NETWORKS.join(', ')} can be shared, got ${name}`,
        );
      }
      if (typeof model !== 'string' || !/^[\w-][\w.-]*$/.test(model)) {
        throw new UserError(
          `${path}: networks.${name} must be the name of a folder beside the model's, got ${JSON.stringify(model)}`,
        );
      }
      return [name, places.join(dir, '..', model, name)] as const;
    }),
  );
}
