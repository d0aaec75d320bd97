/** @file Pictures on the way of a fine-tuning: what the model draws of some prompts, and where it attends to their words. */

import { filledTemplate } from '../../finetune/concepts.ts';
import type { FineTuneTask, FineTuning, WordMap } from '../../finetune/separate-enhance.ts';
import { arrangeImages } from '../../image/draw.ts';
import type { Image } from '../../image/image.ts';
import { resizeImage } from '../../image/resize.ts';
import { maximum } from '../../numbers.ts';
import { promptThings } from '../../objectives/prompt-things.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Engine } from '../engine.ts';
import { saliencyImage } from './images.ts';

/** A prompt that is drawn, and the words whose maps are shown. */
export interface SamplePrompt {
  readonly text: string;
  readonly words: readonly string[];
}

/** Seed of all pictures, as in the published code. */
const SEED = 666;

/** What is drawn where nothing else is said: the prompt, or the first two pairs of the list. */
export function defaultSamples({ prompt, words, concepts = [], settings }: FineTuneTask): SamplePrompt[] {
  if (prompt !== undefined) return [{ text: prompt, words: words ?? [] }];
  const pairs = [concepts.slice(0, 2), concepts.slice(2, 4)].filter((pair) => pair.length === 2);
  return pairs.map((pair) => ({
    text: filledTemplate(
      settings.templates[0],
      pair.map(({ phrase }) => phrase),
    ),
    words: pair.map(({ word }) => word),
  }));
}

/** A sample of a prompt: its nouns are its words unless they are given. */
export const sampleOf = (
  text: string,
  words = promptThings(text).map(({ noun }) => noun.word),
): SamplePrompt => ({
  text,
  words,
});

/** One row of the sheet: for each prompt the picture, and the map of each word over it. */
export async function sampleRow(
  prompts: readonly SamplePrompt[],
  caption: string,
  { engine, pipeline, fineTuning }: { engine: Engine; pipeline: Pipeline; fineTuning: FineTuning },
  signal: AbortSignal,
): Promise<{ images: Image[]; captions: string[] }> {
  const images: Image[] = [];
  const captions: string[] = [];
  const { width, height } = fineTuning.task.settings;
  for (const prompt of prompts) {
    const request = { prompt: prompt.text, seed: SEED, width, height, promptSyntax: 'plain' as const };
    for await (const { image } of engine.methods.sd.run(pipeline, request, { signal })) {
      const maps = await fineTuning.attention(image, prompt);
      const most = maximum(maps.flatMap(({ data }) => [...data]));
      const shown = maps.map((map) => overlay(image, map, most));
      const [{ width: across, height: down } = image] = shown;
      images.push(resizeImage(image, across, down, 'nearest'), ...shown);
      captions.push(caption, ...maps.map(({ word }) => word));
    }
  }
  return { images, captions };
}

/** A map over a picture. All maps of a picture have one scale: the largest share of attention glows most. */
const overlay = (image: Image, { data, ...size }: WordMap, most: number): Image =>
  saliencyImage(image, { ...size, data: data.map((value) => value / most) }, []);

/** The sheet of all rows. */
export const sampleSheet = (
  rows: readonly { images: readonly Image[]; captions: readonly string[] }[],
): Image =>
  arrangeImages(
    rows.flatMap(({ images }) => images),
    { captions: rows.flatMap(({ captions }) => captions), columns: rows[0].images.length },
  );
