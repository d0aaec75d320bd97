/** @file The families of models that can be run, and which of them a model belongs to. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { refusePipeline } from '../weights/names/known-configs.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import { singleFilePipeline } from '../weights/open/single-file.ts';
import { readConfig } from '../weights/sources/read-config.ts';
import type { FolderContents, ModelFamily } from './backbone.ts';
import { flux } from './flux/backbone.ts';
import { sd3 } from './sd3/backbone.ts';
import { stableDiffusion } from './stable-diffusion/backbone.ts';

/** A new family is one more entry. */
export const FAMILIES: readonly ModelFamily[] = [stableDiffusion, sd3, flux];

/**
 * The family of a model.
 *
 * @param path a folder in the diffusers layout, or a single file, whose names say what it is. Folders without `model_index.json`, and files
 *   of other kinds, are refused when they are opened
 * @throws UserError where no family knows the folder
 */
export async function familyOf(path: string): Promise<ModelFamily> {
  const contents = await contentsOf(path);
  if (contents === undefined) return stableDiffusion;
  const family = FAMILIES.find(({ matches }) => matches(contents));
  if (family) return family;
  refusePipeline(path, { _class_name: contents.className });
  const known = FAMILIES.map(({ name }) => name).join(', ');
  throw new UserError(
    `${path}: a model of an unknown family, got ${contents.className ?? 'no _class_name in model_index.json'}; known are ${known}`,
  );
}

/** The family of an opened model, if one knows it. */
export function familyOfOpened({ modelIndex, components }: ModelFolder): ModelFamily | undefined {
  const { _class_name: className } = modelIndex;
  const contents = {
    className: typeof className === 'string' ? className : undefined,
    entries: [...components.keys()],
  };
  return FAMILIES.find(({ matches }) => matches(contents));
}

async function contentsOf(place: string): Promise<FolderContents | undefined> {
  if (await files.isFile(place)) return { className: await singleFilePipeline(place), entries: [] };
  const index = places.join(place, 'model_index.json');
  if (!(await files.isFile(index))) return undefined;
  const { _class_name: className, ...components } = await readConfig(index);
  return {
    className: typeof className === 'string' ? className : undefined,
    // A folder that cannot be listed (in a browser) has what its index names.
    entries: (await files.list(place)) ?? Object.keys(components),
  };
}
