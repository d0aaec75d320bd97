/** @file Places of parts of a model: a path, or a model that is known by its name. */
import { files, host, places } from '#platform';
import type { Environment } from '../hub/environment.ts';
import { resolveModel } from './locate-model.ts';

/** A path, or the place of a model that is known by its name. @throws UserError where there is neither */
export const located = (nameOrPath: string, env?: Environment): string =>
  host.locate(nameOrPath) === undefined ? resolveModel(nameOrPath, env).dir : nameOrPath;

/** The folder itself, or, where it is a whole model, the folder of the part inside it. */
export async function partIn(dir: string, part: string): Promise<string> {
  return (await files.exists(places.join(dir, 'config.json'))) ? dir : places.join(dir, part);
}
