/** @file How scores agree with what a person marked. */
import { type DoneCell, mean, withinCorrelation } from 'sgool/evaluate';
import type { MarkedPicture } from './choose.ts';
import type { Marks } from './sheet.ts';

/** The agreement of one score with a person. */
export interface PersonAgreement {
  readonly score: string;
  readonly pictures: number;
  /** Correlation with the share of right statements, over all pictures; absent where one of them is always the same. */
  readonly r?: number;
  /** Chance that a picture of which all is right has a higher score than one of which not all is; ties are one half. */
  readonly rightAbove?: number;
  /** For scores of 0 or 1: the share of pictures on which they say the same as the person does of all statements. */
  readonly same?: number;
}

/**
 * @param marks a person's, of the sheet with these pictures
 * @param records of the pictures, by cell
 * @throws RangeError where nothing was marked
 */
export function personAgreement(
  pictures: readonly MarkedPicture[],
  { marks }: Marks,
  records: ReadonlyMap<string, Pick<DoneCell, 'scores'>>,
): PersonAgreement[] {
  const marked = pictures.flatMap(({ number, cell }) => {
    const [ticks, record] = [marks[String(number)], records.get(cell)];
    return ticks === undefined || ticks.length === 0 || record === undefined
      ? []
      : [{ share: mean(ticks.map(Number)), isRight: ticks.every(Boolean), scores: record.scores }];
  });
  if (marked.length === 0) throw new RangeError('marks: no picture of the sheet is marked');
  const names = [...new Set(marked.flatMap(({ scores }) => Object.keys(scores)))];
  return names.flatMap((score) => {
    const values = marked.flatMap(({ share, isRight, scores }) => {
      const value = scores[score];
      return typeof value === 'number' ? [{ share, isRight, value }] : [];
    });
    if (values.length === 0) return [];
    const correlation = withinCorrelation([values.map(({ value, share }) => [value, share] as const)]);
    const isYesNo = values.every(({ value }) => value === 0 || value === 1);
    return [
      {
        score,
        pictures: values.length,
        ...(correlation === undefined ? {} : { r: correlation.r }),
        ...rightAbove(values),
        ...(isYesNo
          ? { same: mean(values.map(({ value, isRight }) => Number((value === 1) === isRight))) }
          : {}),
      },
    ];
  });
}

/** Reference: Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic (ROC) curve". */
function rightAbove(
  values: readonly { readonly value: number; readonly isRight: boolean }[],
): Pick<PersonAgreement, 'rightAbove'> {
  const [right, wrong] = [true, false].map((wanted) =>
    values.filter(({ isRight }) => isRight === wanted).map(({ value }) => value),
  );
  if (right.length === 0 || wrong.length === 0) return {};
  const above = right.map((one) => mean(wrong.map((other) => (one > other ? 1 : one === other ? 0.5 : 0))));
  return { rightAbove: mean(above) };
}
