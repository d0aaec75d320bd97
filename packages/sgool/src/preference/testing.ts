/** @file For tests: the preference models of fixtures/make/preference.py, and the results of their authors' code. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createImage, type Image } from '../image/image.ts';
import { openSafetensors, readTensor, readTypedTensor } from '../weights/formats/safetensors.ts';

const DATA = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../../fixtures/data/');
export const PREFERENCE = path.join(DATA, 'preference/');
export const TOKENIZER = path.join(DATA, 'pipeline/tokenizer');

export interface PreferenceCase {
  readonly image: Image;
  readonly prompt: string;
  readonly score: number;
  /** The network's input, `[3, 28, 28]`. */
  readonly seen: Float32Array;
  /** Gradient of the score with respect to the image in [0, 1], `[3, height, width]`. */
  readonly gradient: Float32Array;
}

/** The cases of one scorer. */
export async function preferenceCases(scorer: string): Promise<PreferenceCase[]> {
  const file = await openSafetensors(`${PREFERENCE}expected.safetensors`);
  const cases = JSON.parse(file.metadata.cases) as { picture: number; prompt: string }[];
  return Promise.all(
    cases.map(async ({ picture, prompt }, i) => {
      const { shape, data } = await readTypedTensor(file, `pictures/${picture}`);
      const tensor = (name: string) => readTensor(file, `${scorer}/${i}/${name}`);
      return {
        image: createImage(shape[1], shape[0], data as Uint8Array),
        prompt,
        score: (await tensor('score'))[0],
        seen: await tensor('seen'),
        gradient: await tensor('gradient/picture'),
      };
    }),
  );
}

export const readJson = async (name: string) => JSON.parse(await readFile(PREFERENCE + name, 'utf8'));
