/** @file What of the prompts of an evaluation is not read. */
import type { Manifest } from '../../../evaluate/cells/manifest.ts';
import type { ImageScorer } from '../../../evaluate/scores/image-scorer.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';

/** What encoders and scorers do not read of the prompts: one line for each of them that cuts some off, or lacks words of some. */
export function unreadPrompts(
  { suites }: Manifest,
  pipeline: Pipeline,
  scorers: readonly ImageScorer[],
): string[] {
  const prompts = suites.flatMap(({ name, prompts }) =>
    prompts.map((prompt) => ({ ...prompt, place: `${name} ${prompt.id}` })),
  );
  const cut = new Map<string, string[]>();
  const lacking = new Map<string, { readonly places: string[]; readonly words: Set<string> }>();
  for (const { place, text } of prompts) {
    const readers = [
      ['the model', pipeline.checkPrompt(text, { promptSyntax: 'plain' })] as const,
      ...scorers.flatMap((scorer) => Object.entries(scorer.fits(text))),
    ];
    for (const [reader, { truncated, unknown }] of readers) {
      if (truncated) cut.set(reader, [...(cut.get(reader) ?? []), place]);
      if (unknown.length === 0) continue;
      const found = lacking.get(reader) ?? { places: [], words: new Set() };
      lacking.set(reader, found);
      found.places.push(place);
      for (const word of unknown) found.words.add(word);
    }
  }
  const someOf = (all: readonly string[]) => `${all.slice(0, 3).join(', ')}${all.length > 3 ? ', ...' : ''}`;
  const share = (places: readonly string[]) => `${places.length} of ${prompts.length} prompts`;
  return [
    ...[...cut].map(
      ([reader, places]) => `${reader} reads only the beginning of ${share(places)}: ${someOf(places)}`,
    ),
    ...[...lacking].map(
      ([reader, { places, words }]) =>
        `the vocabulary of ${reader} lacks words of ${share(places)}, which mean nothing to it: ${someOf([...words])} (${someOf(places)})`,
    ),
  ];
}
