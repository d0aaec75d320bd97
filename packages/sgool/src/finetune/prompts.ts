/** @file The prompts that a fine-tuning sees: always the same one, or pairs of a list of concepts. */
import { UserError } from '../errors.ts';
import type { TrainableNetwork } from '../models/trainable-network.ts';
import type { Generator } from '../random/generator.ts';
import { type Concept, filledTemplate } from './concepts.ts';
import type { FineTuneSettings } from './settings.ts';

/** A prompt of several objects, and one of a single object for the regulariser. */
export interface TrainingPrompt {
  readonly text: string;
  /** Words of the objects in it. */
  readonly words: readonly string[];
  readonly single: string;
}

export interface TrainingPrompts {
  /** Objects of each prompt. */
  readonly objects: number;
  /** The prompts of a step. */
  draw(generator: Generator, batch: number): TrainingPrompt[];
  /** Every prompt, or enough of them to check every word once in every template. */
  readonly samples: readonly TrainingPrompt[];
}

/** Always one prompt. The regulariser sees its objects in turn. */
export function onePrompt(
  text: string,
  words: readonly string[],
  { singleTemplate }: Pick<FineTuneSettings, 'singleTemplate'>,
): TrainingPrompts {
  const promptOf = (i: number): TrainingPrompt => ({
    text,
    words,
    single: filledTemplate(singleTemplate, [words[i % words.length]]),
  });
  return {
    objects: words.length,
    samples: words.map((_, i) => promptOf(i)),
    draw: (_, batch) => Array.from({ length: batch }, (_, i) => promptOf(i)),
  };
}

/**
 * Pairs of a list in a template that is drawn for each step. No concept occurs twice in a step if there are enough of them.
 *
 * @param concepts two or more
 */
export function conceptPairs(
  concepts: readonly Concept[],
  { templates, singleTemplate }: Pick<FineTuneSettings, 'templates' | 'singleTemplate'>,
): TrainingPrompts {
  const promptOf = (template: string, pair: readonly Concept[]): TrainingPrompt => ({
    text: filledTemplate(
      template,
      pair.map(({ phrase }) => phrase),
    ),
    words: pair.map(({ word }) => word),
    single: filledTemplate(singleTemplate, [pair[0].phrase]),
  });
  return {
    objects: 2,
    samples: templates.flatMap((template) =>
      concepts.map((concept, i) => promptOf(template, [concept, concepts[(i + 1) % concepts.length]])),
    ),
    draw(generator, batch) {
      const [template] = generator.randint(0, templates.length, [1]);
      const isEnough = concepts.length >= 2 * batch;
      let order = generator.randperm(concepts.length);
      return Array.from({ length: batch }, (_, i) => {
        const at = isEnough ? 2 * i : 0;
        if (!isEnough && i > 0) order = generator.randperm(concepts.length);
        return promptOf(templates[template], [concepts[order[at]], concepts[order[at + 1]]]);
      });
    },
  };
}

/**
 * The share of each token in the words of a prompt, [objects, tokens]: the mean over all tokens of a word.
 *
 * @throws UserError where a word is not in the text, or was cut off, or two words have tokens in common
 */
export function wordShares(
  network: Pick<TrainableNetwork, 'positions'>,
  { text, words }: Pick<TrainingPrompt, 'text' | 'words'>,
  tokens: number,
): Float32Array {
  const shares = new Float32Array(words.length * tokens);
  const owners = new Map<number, string>();
  for (const [i, word] of words.entries()) {
    const places = network.positions(text, word);
    if (places.length === 0) {
      throw new UserError(
        `finetune: "${word}" is not in the prompt "${text}", or in the part that is cut off`,
      );
    }
    for (const place of places) {
      const owner = owners.get(place);
      if (owner !== undefined) {
        throw new UserError(
          `finetune: "${owner}" and "${word}" have a token in common in the prompt "${text}"`,
        );
      }
      owners.set(place, word);
      shares[i * tokens + place] = 1 / places.length;
    }
  }
  return shares;
}
