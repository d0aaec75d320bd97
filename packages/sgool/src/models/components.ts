/** @file Parts of a model folder, as families and critics look for them. */
import { UserError } from '../errors.ts';
import type { ModelComponent, ModelFolder, TokenizerPlace } from '../weights/open/model-folder.ts';

/** A network of a model. @throws UserError where it is missing */
export function componentOf(folder: ModelFolder, name: string): ModelComponent {
  const found = folder.components.get(name);
  if (!found) throw new UserError(`${folder.dir}: it has no folder ${name}`);
  return found;
}

/** Where a tokenizer of a model is. @throws UserError where the model names none */
export function tokenizerOf({ dir, tokenizers }: ModelFolder, name = 'tokenizer'): TokenizerPlace {
  const found = tokenizers.get(name);
  if (!found) throw new UserError(`${dir}: it has no folder ${name}`);
  return found;
}
