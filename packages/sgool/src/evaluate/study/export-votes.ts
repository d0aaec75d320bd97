/** @file The raw votes, readable without the study: with prompt and methods beside the ids. */
import type { Study } from './study.ts';
import { VoteFiles, type VoteLine } from './votes.ts';

/** A stored line; votes have the methods of both sides, the prompt, and what kind of check it was. */
export type ExportedLine = VoteLine & {
  readonly suite?: string;
  readonly prompt?: string;
  readonly category?: string;
  readonly leftMethod?: string;
  readonly rightMethod?: string;
  readonly check?: string;
};

/** Every line of every rater, undone votes and undos included, rater by rater. */
export async function exportLines(folder: string, study: Study): Promise<ExportedLine[]> {
  const pairs = new Map(study.pairs.map((pair) => [pair.id, pair]));
  return (await new VoteFiles(folder, study).lines()).map((line): ExportedLine => {
    const pair = line.kind === 'vote' ? pairs.get(line.pair) : undefined;
    if (line.kind !== 'vote' || pair === undefined) return line;
    const labelOf = (id: string) => [pair.a, pair.b].find((picture) => picture.id === id)?.label;
    return {
      ...line,
      suite: pair.suite,
      prompt: pair.prompt,
      category: pair.category,
      leftMethod: labelOf(line.left),
      rightMethod: labelOf(line.right),
      check: pair.check?.kind,
    };
  });
}
