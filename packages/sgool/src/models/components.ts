/** @file Parts of a model folder, as families and critics look for them. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import type { ModelComponent, ModelFolder } from '../weights/open/model-folder.ts';

/** A network of a model. @throws UserError where it is missing */
export function componentOf(folder: ModelFolder, name: string): ModelComponent {
  const found = folder.components.get(name);
  if (!found) throw new UserError(`${folder.dir}: it has no folder ${name}`);
  return found;
}

/** Whether a folder holds the vocabulary of a CLIP. */
export const hasVocabulary = (dir: string): Promise<boolean> => files.exists(places.join(dir, 'vocab.json'));
