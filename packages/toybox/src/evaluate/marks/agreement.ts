/** @file How scores agree with what somebody marked. */
import { type DoneCell, type Interval, mean, mulberry32, pearson, percentileInterval } from 'sgool/evaluate';
import type { MarkedPicture } from './choose.ts';
import type { Marks } from './sheet.ts';

/** A picture with its marks and its scores. */
export interface ScoredMarks {
  readonly number: number;
  readonly cell: string;
  readonly prompt: string;
  readonly statements: readonly string[];
  /** Which of the statements are right. */
  readonly marks: readonly boolean[];
  readonly scores: DoneCell['scores'];
}

/** A figure, with its 95% interval where there are two prompts or more. */
export interface Figure {
  readonly value: number;
  readonly interval?: Interval;
}

/** The agreement of one score with the marks. A figure is absent where it has no meaning: all pictures alike, or no yes-or-no score. */
export interface MarkAgreement {
  readonly score: string;
  readonly pictures: number;
  /** Pictures of which every statement is right. */
  readonly right: number;
  /** Pearson's correlation with the share of right statements, over all pictures. */
  readonly r?: Figure;
  /** Chance that a picture of which all is right has a higher score than one of which not all is; ties are one half. */
  readonly rightAbove?: Figure;
  /** For scores of 0 or 1: the share of pictures on which they say the same as the marks do of all statements. */
  readonly same?: Figure;
  /** The same beyond chance: Cohen's kappa, 1 for always, 0 for no better than chance. */
  readonly kappa?: Figure;
}

/**
 * The pictures of a sheet that are marked.
 *
 * @param records of the pictures, by cell
 * @throws RangeError where nothing is marked
 */
export function scoredMarks(
  pictures: readonly MarkedPicture[],
  { marks }: Marks,
  records: ReadonlyMap<string, Pick<DoneCell, 'scores'>>,
): ScoredMarks[] {
  const marked = pictures.flatMap((picture) => {
    const [ticks, record] = [marks[String(picture.number)], records.get(picture.cell)];
    return ticks === undefined || ticks.length === 0 || record === undefined
      ? []
      : [{ ...picture, marks: ticks, scores: record.scores }];
  });
  if (marked.length === 0) throw new RangeError('marks: no picture of the sheet is marked');
  return marked;
}

interface Value {
  readonly prompt: string;
  readonly value: number;
  readonly share: number;
  readonly isRight: boolean;
}

/** How each score agrees with the marks. */
export function markAgreement(marked: readonly ScoredMarks[]): MarkAgreement[] {
  const names = [...new Set(marked.flatMap(({ scores }) => Object.keys(scores)))];
  return names.flatMap((score) => {
    const values = marked.flatMap(({ prompt, marks, scores }) => {
      const value = scores[score];
      return typeof value === 'number'
        ? [{ prompt, value, share: mean(marks.map(Number)), isRight: marks.every(Boolean) }]
        : [];
    });
    if (values.length === 0) return [];
    const isYesNo = values.every(({ value }) => value === 0 || value === 1);
    return [
      {
        score,
        pictures: values.length,
        right: values.filter(({ isRight }) => isRight).length,
        ...figure('r', values, correlation),
        ...figure('rightAbove', values, rightAbove),
        ...(isYesNo ? { ...figure('same', values, same), ...figure('kappa', values, kappa) } : {}),
      },
    ];
  });
}

const correlation = (values: readonly Value[]) => pearson(values.map(({ value, share }) => [value, share]));

/** Reference: Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve". */
function rightAbove(values: readonly Value[]): number | undefined {
  const [right, wrong] = [true, false].map((wanted) =>
    values.filter(({ isRight }) => isRight === wanted).map(({ value }) => value),
  );
  if (right.length === 0 || wrong.length === 0) return undefined;
  return mean(right.map((one) => mean(wrong.map((other) => (one > other ? 1 : one === other ? 0.5 : 0)))));
}

const same = (values: readonly Value[]) =>
  mean(values.map(({ value, isRight }) => Number((value === 1) === isRight)));

/** Reference: Cohen 1960, "A coefficient of agreement for nominal scales", equation 1. */
function kappa(values: readonly Value[]): number | undefined {
  const yes = mean(values.map(({ value }) => value));
  const right = mean(values.map(({ isRight }) => Number(isRight)));
  const byChance = yes * right + (1 - yes) * (1 - right);
  return byChance === 1 ? undefined : (same(values) - byChance) / (1 - byChance);
}

const RESAMPLES = 1000;

/** A figure, and its interval by the bootstrap: prompts are drawn with replacement, each with all of its pictures. */
function figure<Name extends string>(
  name: Name,
  values: readonly Value[],
  statistic: (values: readonly Value[]) => number | undefined,
): { readonly [Key in Name]?: Figure } {
  const value = statistic(values);
  if (value === undefined) return {};
  const byPrompt = new Map<string, Value[]>();
  for (const one of values) byPrompt.set(one.prompt, [...(byPrompt.get(one.prompt) ?? []), one]);
  const groups = [...byPrompt.values()];
  const uniform = mulberry32(1);
  const drawn = Array.from({ length: groups.length < 2 ? 0 : RESAMPLES }, () =>
    statistic(groups.flatMap(() => groups[Math.floor(uniform() * groups.length)])),
  ).filter((one) => one !== undefined);
  const interval = drawn.length === 0 ? {} : { interval: percentileInterval(Float64Array.from(drawn)) };
  return { [name]: { value, ...interval } } as { readonly [Key in Name]?: Figure };
}
