/** @file Which pictures of an evaluation a person marks, in which order, and what can be ticked. */
import { type Clause, type Evaluation, mulberry32, shuffled } from 'sgool/evaluate';
import { pluralOf } from '../../world/describe-counted.ts';

/** A picture to mark. Nothing says which method made it. */
export interface MarkedPicture {
  /** Its number on the sheet, from 1. */
  readonly number: number;
  /** Id of its cell. */
  readonly cell: string;
  readonly prompt: string;
  /** Statements of the prompt, in words. */
  readonly statements: readonly string[];
}

const article = (text: string) => (/^[aeiou]/.test(text) ? 'an' : 'a');

/** A clause as a sentence that is right or wrong of a picture. @param clauses of its reading */
export function statement(clause: Clause, clauses: readonly Clause[]): string {
  const things = clauses.filter(({ claim }) => claim === 'present').map(thingOf);
  switch (clause.claim) {
    case 'present':
      return `there is ${article(thingOf(clause))} ${thingOf(clause)}`;
    case 'absent':
      return `there is no ${thingOf(clause)}`;
    case 'count':
      return clause.number === 1
        ? `there is exactly 1 ${thingOf(clause)}`
        : `there are exactly ${clause.number} ${pluralOf(thingOf(clause))}`;
    case 'relation':
      return `the ${things[clause.subject]} is ${clause.relation} the ${things[clause.object]}`;
    case 'size':
      return `the ${things[clause.larger]} is larger than the ${things[clause.smaller]}`;
    case 'move':
      return `the ${things[clause.subject]} moves: ${clause.move}`;
  }
}

function thingOf(clause: Clause): string {
  return 'kind' in clause ? [clause.colour, clause.kind].filter((word) => word !== undefined).join(' ') : '';
}

/**
 * Finished pictures with a truth, drawn without replacement: as many of each method, give or take one, in a random order.
 *
 * @param count pictures at most
 * @param seed of the choice and the order
 */
export function chosenPictures(
  { manifest, cells }: Evaluation,
  count: number,
  seed: number,
): MarkedPicture[] {
  const uniform = mulberry32(seed);
  const readings = new Map(
    manifest.suites.flatMap(({ prompts }) =>
      prompts.map((prompt) => [prompt.text, prompt.readings] as const),
    ),
  );
  const byMethod = new Map<string, Map<string, (typeof cells)[number]>>();
  for (const cell of cells) {
    // A prompt that can be read in several ways has no statements that one could tick.
    if (cell.record?.status !== 'done' || readings.get(cell.cell.prompt)?.length !== 1) continue;
    byMethod.set(cell.label, (byMethod.get(cell.label) ?? new Map()).set(cell.id, cell));
  }
  const piles = [...byMethod.values()].map((pile) => shuffled([...pile.values()], uniform));
  const chosen = new Map<string, (typeof cells)[number]>();
  for (let turn = 0; chosen.size < count && piles.some((pile) => turn < pile.length); turn++) {
    for (const pile of piles) {
      if (turn < pile.length && chosen.size < count) chosen.set(pile[turn].id, pile[turn]);
    }
  }
  return shuffled([...chosen.values()], uniform).map(({ id, cell }, i) => {
    const [clauses] = readings.get(cell.prompt) ?? [[]];
    return {
      number: i + 1,
      cell: id,
      prompt: cell.prompt,
      statements: clauses.map((clause) => statement(clause, clauses)),
    };
  });
}
