/** @file What the votes of a study say: shares with intervals, strengths, agreement, and who was left out. */

import { type Interval, percentileInterval } from '../../statistics/bootstrap.ts';
import { bradleyTerry, davidsonChances, type PairCounts } from '../../statistics/bradley-terry.ts';
import { crossedInterval, crossedResamples } from '../../statistics/crossed-bootstrap.ts';
import { median } from '../../statistics/descriptive.ts';
import { krippendorffAlpha } from '../../statistics/krippendorff.ts';
import { wilsonInterval } from '../../statistics/wilson.ts';
import { groupsBy } from '../order.ts';
import type { Study, StudyPair } from '../study.ts';
import type { RaterLog, Vote } from '../votes.ts';

/** Answers to one question about one couple of methods, in one category or in all. */
export interface Share {
  /** Absent for all categories together. */
  readonly category?: string;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
  /** Left out of the share. */
  readonly skips: number;
  readonly prompts: number;
  readonly raters: number;
  /** Share of the answers that prefer the method, a tie as one half; absent where nobody answered. */
  readonly share?: number;
  /** 95% interval over prompts and raters. */
  readonly interval?: Interval;
}

export interface Couple {
  readonly method: string;
  /** The reference, where it is one of the two. */
  readonly against: string;
  readonly all: Share;
  readonly categories: readonly Share[];
  /** Krippendorff's alpha over the pairs of pictures; absent where no pair has two answers. */
  readonly alpha?: number;
}

export interface Strength {
  readonly method: string;
  /** Logarithm of the strength; the mean over the methods is 0. */
  readonly strength: number;
  readonly interval?: Interval;
  /** Chance that it is preferred to the reference by the model, a tie as one half. */
  readonly expected: number;
}

export interface QuestionResults {
  readonly id: string;
  readonly text: string;
  readonly couples: readonly Couple[];
  readonly strengths: readonly Strength[];
  /** Davidson's ν. */
  readonly tie: number;
}

export interface RaterResults {
  readonly rater: string;
  readonly nick?: string;
  readonly answers: number;
  readonly ties: number;
  readonly skips: number;
  readonly checks: number;
  readonly wrong: number;
  readonly isExcluded: boolean;
  /** Share of the left picture among the answers that chose one. */
  readonly left?: number;
  /** Median time of an answer, in seconds. */
  readonly seconds?: number;
}

export interface StudyResults {
  readonly raters: readonly RaterResults[];
  /** Without the raters who failed the checks. */
  readonly kept: readonly QuestionResults[];
  /** With them; absent where nobody failed. */
  readonly everyone?: readonly QuestionResults[];
  /** Share of the left picture among all answers that chose one: near one half where sides do not matter. */
  readonly left?: number;
  /** One line each: what the figures leave out. */
  readonly notes: readonly string[];
}

/** An answer about two methods. */
interface Answer {
  readonly pair: StudyPair;
  readonly question: string;
  readonly rater: number;
  /** The prompt, from 0. */
  readonly prompt: number;
  /** 1 where the first picture of the pair was preferred, 0.5 for a tie, 0 for the second; NaN where it was skipped. */
  readonly value: number;
}

export interface ResultOptions {
  readonly resamples?: number;
}

/** The results of a study for these raters. */
export function studyResults(
  study: Study,
  logs: readonly RaterLog[],
  options: ResultOptions = {},
): StudyResults {
  const mine = logs.filter(({ rater }) => rater.pictures === study.pictures);
  const pairs = new Map(study.pairs.map((pair) => [pair.id, pair]));
  const raters = mine.map((log) => raterResults(study, pairs, log));
  const answers = mine.flatMap((log, rater) => answersOf(pairs, log, rater));
  const isKept = ({ rater }: Answer) => !raters[rater].isExcluded;
  const excluded = raters.filter(({ isExcluded }) => isExcluded).length;
  const resultsOf = (some: readonly Answer[]) =>
    study.questions.map((question) => questionResults(study, question, some, options));
  const sides = mine.flatMap(({ answers: all }) => [...all.values()]);
  const torn = mine.reduce((total, log) => total + log.torn, 0);
  return {
    raters,
    kept: resultsOf(answers.filter(isKept)),
    ...(excluded > 0 ? { everyone: resultsOf(answers) } : {}),
    left: leftShare(sides),
    notes: [
      ...study.identical.map(
        ({ methods: [a, b], pairs: count }) =>
          `${count} pairs of ${a} and ${b} were the same picture and were not shown; they would be ties`,
      ),
      ...(logs.length > mine.length
        ? [`${logs.length - mine.length} raters saw other pictures than this study has; they are left out`]
        : []),
      ...(torn > 0 ? [`${torn} lines of votes were cut off, because the server was killed`] : []),
    ],
  };
}

const leftShare = (votes: readonly Vote[]): number | undefined => {
  const chosen = votes.filter(({ choice }) => choice === 'left' || choice === 'right');
  if (chosen.length === 0) return undefined;
  return chosen.filter(({ choice }) => choice === 'left').length / chosen.length;
};

/** Id of the picture that was chosen, or what was said instead. */
const chosen = ({ choice, left, right }: Vote): string =>
  choice === 'left' ? left : choice === 'right' ? right : choice;

function raterResults(study: Study, pairs: ReadonlyMap<string, StudyPair>, log: RaterLog): RaterResults {
  const { rater, answers } = log;
  const votes = [...answers.values()];
  const checks = votes.flatMap((vote) => {
    const pair = pairs.get(vote.pair);
    if (pair?.check?.questions.includes(vote.question) !== true || vote.choice === 'skip') return [];
    return [chosen(vote) === pair.a.id];
  });
  const wrong = checks.filter((isRight) => !isRight).length;
  return {
    rater: rater.rater,
    nick: rater.nick,
    answers: votes.length,
    ties: votes.filter(({ choice }) => choice === 'tie').length,
    skips: votes.filter(({ choice }) => choice === 'skip').length,
    checks: checks.length,
    wrong,
    isExcluded: wrong >= study.rule.least && wrong / checks.length > study.rule.wrongShare,
    left: leftShare(votes),
    seconds: votes.length === 0 ? undefined : median(votes.map(({ ms }) => ms)) / 1000,
  };
}

function answersOf(pairs: ReadonlyMap<string, StudyPair>, { answers }: RaterLog, rater: number): Answer[] {
  const prompts = new Map<string, number>();
  for (const { suite, prompt } of pairs.values()) {
    const key = JSON.stringify([suite, prompt]);
    if (!prompts.has(key)) prompts.set(key, prompts.size);
  }
  return [...answers.values()].flatMap((vote): Answer[] => {
    const pair = pairs.get(vote.pair);
    if (pair === undefined || pair.check !== undefined) return [];
    const values = new Map([
      [pair.a.id, 1],
      [pair.b.id, 0],
      ['tie', 0.5],
    ]);
    const value = values.get(chosen(vote)) ?? Number.NaN;
    const prompt = prompts.get(JSON.stringify([pair.suite, pair.prompt])) ?? 0;
    return [{ pair, question: vote.question, rater, prompt, value }];
  });
}

function questionResults(
  study: Study,
  { id, text }: Study['questions'][number],
  all: readonly Answer[],
  options: ResultOptions,
): QuestionResults {
  const answers = all.filter(({ question }) => question === id);
  const byCouple = groupsBy(answers, ({ pair }) => JSON.stringify([pair.a.label, pair.b.label]));
  const couples = [...byCouple.values()]
    .map((some) => coupleResults(study, some, options))
    .toSorted((x, y) => orderOf(study, x) - orderOf(study, y));
  return { id, text, couples, ...strengthsOf(study, answers, options) };
}

/** Couples with the reference first, then in the order of the methods. */
function orderOf({ methods, reference }: Study, { method, against }: Couple): number {
  const place = methods.indexOf(against) * methods.length + methods.indexOf(method);
  return against === reference ? place - methods.length ** 2 : place;
}

function coupleResults(study: Study, answers: readonly Answer[], options: ResultOptions): Couple {
  const { a, b } = answers[0].pair;
  const [first, second] = [a.label ?? '', b.label ?? ''];
  // Reports say how often a method is preferred to the reference, not the other way round.
  const isTurned = second !== study.reference;
  const turned = isTurned ? answers.map((answer) => ({ ...answer, value: 1 - answer.value })) : answers;
  const categories = groupsBy(
    turned.filter(({ pair }) => pair.category !== undefined),
    ({ pair }) => pair.category ?? '',
  );
  const units = groupsBy(
    turned.filter(({ value }) => !Number.isNaN(value)),
    ({ pair }) => pair.id,
  );
  return {
    method: isTurned ? second : first,
    against: isTurned ? first : second,
    all: shareOf(turned, options),
    categories: [...categories]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([category, some]) => ({ category, ...shareOf(some, options) })),
    alpha: krippendorffAlpha([...units.values()].map((unit) => unit.map(({ value }) => String(value)))),
  };
}

function shareOf(answers: readonly Answer[], { resamples }: ResultOptions): Share {
  const said = answers.filter(({ value }) => !Number.isNaN(value));
  const count = (wanted: number) => said.filter(({ value }) => value === wanted).length;
  const counts = { wins: count(1), ties: count(0.5), losses: count(0) };
  const share = (counts.wins + counts.ties / 2) / said.length;
  return {
    ...counts,
    skips: answers.length - said.length,
    prompts: new Set(said.map(({ prompt }) => prompt)).size,
    raters: new Set(said.map(({ rater }) => rater)).size,
    ...(said.length === 0
      ? {}
      : { share, interval: widened(crossedInterval(placed(said), { resamples }), share, said.length) }),
  };
}

/** Never narrower than if all answers were independent: a resample of answers that are all the same has no width. */
function widened(interval: Interval | undefined, share: number, count: number): Interval {
  const { low, high } = wilsonInterval(share, count);
  return { low: Math.min(low, interval?.low ?? low), high: Math.max(high, interval?.high ?? high) };
}

/** Answers in the rows and columns that have any, so that a resample never draws an empty one. */
function placed(answers: readonly Answer[]): { row: number; column: number; value: number }[] {
  const [rows, columns] = [new Map<number, number>(), new Map<number, number>()];
  const indexIn = (known: Map<number, number>, key: number) => {
    const index = known.get(key) ?? known.size;
    known.set(key, index);
    return index;
  };
  return answers.map(({ rater, prompt, value }) => ({
    row: indexIn(rows, rater),
    column: indexIn(columns, prompt),
    value,
  }));
}

function strengthsOf(
  { methods, reference }: Study,
  answers: readonly Answer[],
  { resamples }: ResultOptions,
) {
  const said = answers.filter(({ value }) => !Number.isNaN(value));
  const couples = said.map(({ pair }) => [
    methods.indexOf(pair.a.label ?? ''),
    methods.indexOf(pair.b.label ?? ''),
  ]);
  const fit = (weights?: Float64Array) => {
    const counts = new Map<number, PairCounts>();
    for (const [i, { value }] of said.entries()) {
      const [a, b] = couples[i];
      const weight = weights?.[i] ?? 1;
      const key = a * methods.length + b;
      const { wins, ties, losses } = counts.get(key) ?? { wins: 0, ties: 0, losses: 0 };
      counts.set(key, {
        a,
        b,
        wins: wins + (value === 1 ? weight : 0),
        ties: ties + (value === 0.5 ? weight : 0),
        losses: losses + (value === 0 ? weight : 0),
      });
    }
    return bradleyTerry(methods.length, [...counts.values()]);
  };
  const { strengths, tie } = fit();
  const drawn: number[][] = methods.map(() => []);
  crossedResamples(
    placed(said),
    (weights) => {
      for (const [i, strength] of fit(weights).strengths.entries()) drawn[i].push(strength);
    },
    { resamples },
  );
  const base = strengths[methods.indexOf(reference)];
  return {
    tie,
    strengths: methods.map((method, i): Strength => {
      const [win, even] = davidsonChances(strengths[i] - base, tie);
      return {
        method,
        strength: strengths[i],
        expected: win + even / 2,
        ...(drawn[i].length === 0 ? {} : { interval: percentileInterval(Float64Array.from(drawn[i])) }),
      };
    }),
  };
}

/** With fewer raters, or fewer prompts, that all agree, a sign test could not tell them from chance. */
const LEAST = 6;

/** What an interval says, in words. */
export function verdict({ method, against, all: { interval, raters, prompts } }: Couple): string {
  if (interval === undefined) return `nobody has compared ${method} and ${against}`;
  for (const [count, name] of [
    [raters, 'rater'],
    [prompts, 'prompt'],
  ] as const) {
    if (count < LEAST)
      return `${count} ${name}${count === 1 ? ' is' : 's are'} too few to say which of ${method} and ${against} people prefer`;
  }
  if (interval.low > 0.5) return `${method} is preferred to ${against}`;
  if (interval.high < 0.5) return `${against} is preferred to ${method}`;
  return `no preference between ${method} and ${against} is shown`;
}
