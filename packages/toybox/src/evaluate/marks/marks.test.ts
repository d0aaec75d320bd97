import { readFileSync } from 'node:fs';
import type { Evaluation } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { type MarkAgreement, markAgreement, type ScoredMarks, scoredMarks } from './agreement.ts';
import { chosenPictures, statement } from './choose.ts';
import { sheetPage } from './sheet.ts';

const THINGS = [
  { claim: 'present', kind: 'cat', colour: 'orange' },
  { claim: 'present', kind: 'boat' },
] as const;

describe('a statement', () => {
  it.each([
    [THINGS[0], 'there is an orange cat'],
    [THINGS[1], 'there is a boat'],
    [{ claim: 'absent', kind: 'fish', colour: 'red' } as const, 'there is no red fish'],
    [
      { claim: 'relation', subject: 1, relation: 'left of', object: 0 } as const,
      'the boat is left of the orange cat',
    ],
    [{ claim: 'size', larger: 0, smaller: 1 } as const, 'the orange cat is larger than the boat'],
    [{ claim: 'count', kind: 'cat', colour: 'red', number: 3 } as const, 'there are exactly 3 red cats'],
    [{ claim: 'count', kind: 'fish', colour: 'red', number: 2 } as const, 'there are exactly 2 red fish'],
    [{ claim: 'count', kind: 'cup', number: 1 } as const, 'there is exactly 1 cup'],
  ])('%j', (clause, text) => {
    expect(statement(clause, [{ claim: 'absent', kind: 'tree' }, ...THINGS])).toBe(text);
  });
});

/** Three prompts with two methods; the second prompt can be read in two ways. */
const evaluation = {
  manifest: {
    suites: [
      {
        prompts: [
          { id: '1', text: 'one', readings: [[THINGS[0]]] },
          { id: '2', text: 'two', readings: [[THINGS[0]], [THINGS[1]]] },
          { id: '3', text: 'three', readings: [[THINGS[1]]] },
        ],
      },
    ],
  },
  cells: ['one', 'two', 'three'].flatMap((prompt) =>
    ['sd', 'sgool'].map((label) => ({
      id: `${prompt} ${label}`,
      label,
      cell: { prompt },
      record: { status: label === 'sgool' && prompt === 'three' ? 'failed' : 'done' },
    })),
  ),
} as unknown as Evaluation;

describe('the pictures of a sheet', () => {
  it('are finished ones of prompts with one truth, as many of each method, numbered in a random order', () => {
    const all = chosenPictures(evaluation, 10, 0);
    expect(all.map(({ cell }) => cell).toSorted()).toEqual(['one sd', 'one sgool', 'three sd']);
    expect(all.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(all.find(({ cell }) => cell === 'three sd')).toMatchObject({
      prompt: 'three',
      statements: ['there is a boat'],
    });
    expect(chosenPictures(evaluation, 10, 0)).toEqual(all);
    for (let seed = 0; seed < 10; seed++) {
      const two = chosenPictures(evaluation, 2, seed).map(({ cell }) => cell.split(' ')[1]);
      expect(two.toSorted()).toEqual(['sd', 'sgool']);
    }
    const orders = new Set(
      [0, 1, 2, 3, 4, 5].map((seed) =>
        chosenPictures(evaluation, 10, seed)
          .map(({ cell }) => cell)
          .join(),
      ),
    );
    expect(orders.size).toBeGreaterThan(1);
  });

  it('stand on the page without anything that names a method', () => {
    const pictures = chosenPictures(evaluation, 10, 0).map((one) => ({ ...one, uri: 'data:,x' }));
    const page = sheetPage('a <sheet>', pictures);
    expect(page).not.toMatch(/sgool|\bsd\b/);
    expect(page).toContain('data-sheet="a &lt;sheet&gt;"');
    expect(page.match(/class="statement"/g)).toHaveLength(3);
  });
});

describe('the agreement with marks', () => {
  const pictures = [1, 2, 3, 4, 5].map((number) => ({
    number,
    cell: `c${number}`,
    prompt: `p${number % 2}`,
    statements: ['a', 'b'],
  }));
  const marks = {
    sheet: 's',
    marks: { 1: [true, true], 2: [true, false], 3: [false, false], 4: [true, true], 9: [true] },
  };
  const scored = (judge: number, correct: number | null) => ({ scores: { judge, correct, flat: 7 } });
  const records = new Map([
    ['c1', scored(1, 1)],
    ['c2', scored(0.5, 1)],
    ['c3', scored(0, 0)],
    ['c4', scored(0.5, null)],
    ['c5', scored(9, 1)],
  ]);

  it('is over the marked pictures that have the score', () => {
    const marked = scoredMarks(pictures, marks, records);
    expect(marked.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    const [judge, correct, flat] = markAgreement(marked);
    // Shares 1, 0.5, 0, 1 against 1, 0.5, 0, 0.5: deviations 0.375, -0.125, -0.625, 0.375 and 0.5, 0, -0.5, 0.
    expect(judge).toMatchObject({ score: 'judge', pictures: 4, right: 2 });
    expect(judge.r?.value).toBeCloseTo(0.5 / Math.sqrt(0.6875 * 0.5), 12);
    // Right are 1 and 0.5, wrong 0.5 and 0: of four couples three are above and one is a tie.
    expect(judge.rightAbove?.value).toBeCloseTo(3.5 / 4, 12);
    expect([judge.same, judge.kappa]).toEqual([undefined, undefined]);
    expect(correct).toMatchObject({ pictures: 3, same: { value: expect.closeTo(2 / 3, 12) } });
    // The score says yes to 2 of 3, the marks to 1 of 3: by chance they agree on 4/9.
    expect(correct.kappa?.value).toBeCloseTo((2 / 3 - 4 / 9) / (5 / 9), 12);
    expect(flat).toMatchObject({ score: 'flat', pictures: 4, rightAbove: { value: 0.5 } });
    expect(flat.r).toBeUndefined();
  });

  const picture = (number: number, prompt: string, isRight: boolean, yes: number): ScoredMarks => ({
    number,
    cell: String(number),
    prompt,
    statements: ['a'],
    marks: [isRight],
    scores: { yes },
  });

  it('has intervals over prompts, not over pictures', () => {
    // Each prompt's pictures are all alike: two prompts of 100 pictures know no more than two pictures do.
    const rows = Array.from({ length: 200 }, (_, i) => picture(i, `p${i % 2}`, i % 2 === 0, 1));
    const [{ same }] = markAgreement(rows);
    expect(same).toEqual({ value: 0.5, interval: { low: 0, high: 1 } });
    // With a prompt for each, 200 pictures know it to 7 points.
    const [alone] = markAgreement(rows.map((row) => ({ ...row, prompt: row.cell })));
    expect(alone.same?.interval?.low).toBeCloseTo(0.43, 1);
    expect(alone.same?.interval?.high).toBeCloseTo(0.57, 1);
    expect(markAgreement(rows.slice(0, 1))[0].same).toEqual({ value: 1 });
  });

  it('needs a marked picture', () => {
    expect(() => scoredMarks(pictures, { sheet: 's', marks: {} }, records)).toThrow(
      'no picture of the sheet is marked',
    );
  });
});

describe('the kept marks', () => {
  const kept = JSON.parse(
    readFileSync(new URL('../../../measured/marks.json', import.meta.url), 'utf8'),
  ) as Readonly<{ marker: string; agreement: MarkAgreement[]; pictures: ScoredMarks[] }>;

  it('name who marked, and their agreement is that of their pictures', () => {
    expect(kept.marker).toMatch(/not by a person/);
    expect(kept.pictures.length).toBeGreaterThanOrEqual(120);
    for (const { marks, statements } of kept.pictures) expect(marks).toHaveLength(statements.length);
    // Intervals take time: one score stands for all.
    const one = kept.pictures.map((row) => ({
      ...row,
      scores: { 'judge:correct': row.scores['judge:correct'] },
    }));
    const [found] = markAgreement(one);
    expect(kept.agreement).toContainEqual(JSON.parse(JSON.stringify(found)));
  });
});
