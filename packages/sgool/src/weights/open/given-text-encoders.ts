/** @file Text encoders from elsewhere, each put where the model has one of its kind. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import type { Environment } from '../hub/environment.ts';
import { flowModelOf, type TextEncoderKind } from '../names/flow-models.ts';
import { configured } from '../sources/read-config.ts';
import { type ModelComponent, type ModelFolder, openComponent } from './model-folder.ts';
import { located, partIn } from './place.ts';
import { textEncoderKind, textEncodersOf } from './text-encoder-file.ts';

/** The kinds of text encoders of a model by their folder names; none for Stable Diffusion 1.x and 2.x, whose only one is in its file. */
export function textEncoderPlaces({ modelIndex }: ModelFolder): Readonly<Record<string, TextEncoderKind>> {
  return flowModelOf(modelIndex)?.textEncoders ?? {};
}

type Given = Omit<ModelComponent, 'name'> & { readonly kind: TextEncoderKind; readonly isInferred?: true };

/** Folders of text encoders in that of a model in the diffusers layout. */
const FOLDERS = ['text_encoder', 'text_encoder_2', 'text_encoder_3'];

async function openGiven(nameOrPath: string, env?: Environment): Promise<Given[]> {
  const dir = located(nameOrPath, env);
  if (await files.isFile(dir)) {
    return textEncodersOf(await openTensorFile(dir)).map((found) => ({ ...found, dir, isInferred: true }));
  }
  const found: Given[] = [];
  for (const folder of FOLDERS) {
    const part = await partIn(dir, folder);
    if (!(await files.exists(places.join(part, 'config.json')))) continue;
    const { name: _, ...component } = await openComponent(part, { role: 'text_encoder_2' });
    found.push({ ...component, kind: textEncoderKind(component.weights) });
    if (part === dir) break;
  }
  if (found.length > 0) return found;
  throw new UserError(
    `text encoders: ${nameOrPath} has no text encoder; give files such as clip_l.safetensors and t5xxl_fp16.safetensors, or folders with config.json`,
  );
}

/**
 * The components of a model with other text encoders.
 *
 * @param given files, folders, or names of pulled models; what each is, its names and shapes say
 * @param config folder of configurations, for files
 * @throws UserError where one is of a kind that the model does not have, or two are of one kind
 */
export async function withTextEncoders(
  model: ModelFolder,
  given: readonly string[],
  { config, env }: { readonly config?: string; readonly env?: Environment } = {},
): Promise<Map<string, ModelComponent>> {
  const components = new Map(model.components);
  const slots = Object.entries(textEncoderPlaces(model));
  const taken = new Map<string, string>();
  for (const place of given) {
    for (const { kind, isInferred, ...encoder } of await openGiven(place, env)) {
      const name = slots.find(([, each]) => each === kind)?.[0];
      if (name === undefined) {
        const kinds = slots.map(([, each]) => each).join(', ');
        throw new UserError(
          `text encoders: ${place} is a ${kind}; ${kinds === '' ? 'only Stable Diffusion 3 and Flux take text encoders from elsewhere' : `this model has ${kinds}`}`,
        );
      }
      const other = taken.get(name);
      if (other !== undefined) {
        throw new UserError(`text encoders: ${other} and ${place} are both a ${kind}; give one of them`);
      }
      taken.set(name, place);
      const stated = isInferred ? config : undefined;
      const settings = await configured(stated, `${name}/config.json`, () => encoder.config);
      components.set(name, { ...encoder, name, config: settings });
    }
  }
  return components;
}
