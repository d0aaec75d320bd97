/** @file Networks that a model shares with one beside it, so that two models that judge alike need them once on disk. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { EXTRA_NETWORKS } from '../names/extra-networks.ts';
import { readConfig } from '../sources/read-config.ts';

/**
 * The folders of the networks that a model takes from models beside it: `networks` of its `sgool.json`, for instance
 * `{ "clip": "toybox" }` for `../toybox/clip`.
 *
 * @param dir the model's folder
 * @returns paths by the name of the network; nothing says that they are there
 * @throws UserError where it names another network, or more than the name of a folder
 */
export async function sharedNetworks(dir: string): Promise<Map<string, string>> {
  const path = places.join(dir, 'sgool.json');
  if (!(await files.exists(path))) return new Map();
  const { networks = {} } = await readConfig(path);
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
