/** @file The answer of an evaluation in a few sentences, by rule: nothing is said that the figures do not hold. */
import type { ScoreInfo } from '../cells/manifest.ts';
import { intervalText, neededText, pText, quantity, shortRatio, signedQuantity } from './format.ts';
import type { ComparisonRow, EquivalentRow, Summary } from './summary.ts';

/** A run with fewer prompts or seeds is called small: the spread over seeds is then as large as usual differences. */
const ENOUGH = { prompts: 100, seeds: 3 } as const;

type Figures = Omit<Summary, 'verdict'>;

/** One sentence after the other. */
export function verdictOf(summary: Figures): string[] {
  const { judges, scores, methods } = summary;
  const [judge] = judges.flatMap((name) => scores.find((score) => score.name === name) ?? []);
  if (methods.length < 2) return ['There is one method only: nothing is compared.'];
  if (judge === undefined) {
    return [
      'There is no answer: every score guided or selected a method, and a score does not judge what it taught.',
      'Add a scorer that no method uses.',
    ];
  }
  const all = new Set(summary.best.map(({ suite }) => suite));
  // All suites together first; a sort would put what is undefined last.
  const places = [
    ...(all.has(undefined) ? [undefined] : []),
    ...[...all].filter((suite) => suite !== undefined),
  ];
  const sentences = places.flatMap((suite) => answer(summary, judge, suite, places.length > 1));
  if (sentences.length === 0) return [`There is no answer yet: ${judge.title} has not scored two methods.`];
  return [...sentences, ...smallRun(summary)];
}

function answer(
  summary: Figures,
  judge: ScoreInfo,
  suite: string | undefined,
  isOneOfMany: boolean,
): string[] {
  const { best, comparisons, reference, againstSearch, equalCost, equivalent } = summary;
  const top = best.find((row) => row.suite === suite && row.score === judge.name);
  if (top === undefined) return [];
  const where = isOneOfMany ? (suite === undefined ? 'Over all suites: ' : `${suite}: `) : '';
  const versus = comparisons.find(
    (row) =>
      row.suite === suite &&
      row.category === undefined &&
      row.score === judge.name &&
      row.method === top.method,
  );
  const first =
    versus === undefined ? noWinner(summary, judge, suite, top.ties) : winner(versus, judge, top.ties);
  const equal = equalCost.find(({ method }) => method === top.method);
  const search = againstSearch.find(
    (row) => row.suite === suite && row.score === judge.name && row.method === top.method,
  );
  const worth = equivalent.find(
    (row) => row.suite === suite && row.score === judge.name && row.method === top.method,
  );
  const hasWon = versus?.outcome === 'better';
  return [
    `${where}${first}`,
    ...(equal === undefined || !hasWon ? [] : [equalCostSentence(top.method, equal, search, judge)]),
    ...(worth === undefined || !hasWon ? [] : [equivalentSentence(worth, reference, judge)]),
    ...otherJudges(summary, judge, suite, versus),
  ];
}

function figures(row: ComparisonRow, { digits }: ScoreInfo): string {
  return `${signedQuantity(row.difference, digits)} (95% interval ${intervalText(row.interval, digits)}; p ${pText(row.pHolm)} after Holm; ${row.wins} better, ${row.ties} tied, ${row.losses} worse of ${row.pairs} pairs)`;
}

function winner(row: ComparisonRow, judge: ScoreInfo, ties: readonly string[]): string {
  const { method, to, outcome, promptsNeeded, prompts } = row;
  const others = ties.filter((label) => label !== to);
  const tied = others.length === 0 ? '' : ` It is not told apart from ${listed(others)}.`;
  if (outcome === 'better') {
    return `By ${judge.title}, ${method} is the best and better than ${to}: ${figures(row, judge)}.${tied}`;
  }
  const needed =
    promptsNeeded === null || promptsNeeded <= prompts
      ? ''
      : ` To see a difference of this size takes ${neededText(promptsNeeded)} prompts; there are ${prompts}.`;
  return `By ${judge.title}, no method is better than ${to}: the highest, ${method}, is not told apart from it: ${figures(row, judge)}.${needed}${tied}`;
}

/** The reference itself is the highest. */
function noWinner(
  { comparisons, reference }: Figures,
  judge: ScoreInfo,
  suite: string | undefined,
  ties: readonly string[],
): string {
  const worse = comparisons.filter(
    (row) =>
      row.suite === suite &&
      row.category === undefined &&
      row.score === judge.name &&
      row.outcome === 'worse',
  );
  const against = worse.map((row) => `${row.method} ${figures(row, judge)}`);
  return [
    `By ${judge.title}, no method is better than ${reference}.`,
    ...(against.length === 0 ? [] : [`Worse: ${against.join('; ')}.`]),
    ...(ties.length === 0 ? [] : [`Not told apart from it: ${listed(ties)}.`]),
  ].join(' ');
}

function equalCostSentence(
  method: string,
  { search, ratio, isEqual }: Figures['equalCost'][number],
  row: ComparisonRow | undefined,
  judge: ScoreInfo,
): string {
  if (search === undefined || ratio === undefined || row === undefined) {
    return `Whether that is more than search does for the same cost is not known: no best-of was run.`;
  }
  const cost = isEqual ? 'at equal cost' : `at ${shortRatio(ratio)} times its cost`;
  const caveat = isEqual ? '' : ' A comparison at equal cost is missing.';
  return `${method} is ${row.outcome} ${row.outcome === 'not told apart' ? 'from' : 'than'} ${search} ${cost}: ${figures(row, judge)}.${caveat}`;
}

function equivalentSentence(row: EquivalentRow, reference: string, judge: ScoreInfo): string {
  const n = row.isAtLeast ? 'more than a million' : shortRatio(row.n);
  const cost =
    row.cost === null || row.perCost === null
      ? ''
      : `, for the cost of ${shortRatio(row.cost)}: ${quantity(row.perCost, 2)} per unit of cost`;
  return `One image of ${row.method} is worth the best of ${n} images of ${reference} by ${judge.title}${cost}.`;
}

/** Whether the other scores that may judge say the same. */
function otherJudges(
  { judges, scores, comparisons, best }: Figures,
  judge: ScoreInfo,
  suite: string | undefined,
  first: ComparisonRow | undefined,
): string[] {
  const others = scores.filter(({ name }) => name !== judge.name && judges.includes(name));
  if (first === undefined) {
    return others.flatMap((score) => {
      const top = best.find((row) => row.suite === suite && row.score === score.name);
      return top === undefined ? [] : `By ${score.title}, the highest is ${top.method}.`;
    });
  }
  return others.flatMap((score) => {
    const row = comparisons.find(
      (one) =>
        one.suite === suite &&
        one.category === undefined &&
        one.score === score.name &&
        one.method === first.method,
    );
    if (row === undefined) return [];
    const says = row.outcome === first.outcome ? 'says the same' : 'does not say the same';
    return `${score.title} ${says} of ${row.method} and ${row.to} (${row.outcome}): ${figures(row, score)}.`;
  });
}

function smallRun({ prompts, seeds }: Figures): string[] {
  const few = [
    ...(prompts < ENOUGH.prompts
      ? [`${prompts} prompt${prompts === 1 ? '' : 's'} of at least ${ENOUGH.prompts}`]
      : []),
    ...(seeds < ENOUGH.seeds ? [`${seeds} seed${seeds === 1 ? '' : 's'} of at least ${ENOUGH.seeds}`] : []),
  ];
  return few.length === 0 ? [] : [`The run is smaller than a result that is to last needs: ${listed(few)}.`];
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
