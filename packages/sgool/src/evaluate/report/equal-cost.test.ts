import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellId } from '../cells/cell.ts';
import type { DoneCell } from '../cells/cell-record.ts';
import type { Evaluation } from '../cells/run-folder.ts';
import { fakeEvaluation } from '../testing.ts';
import { isSearch, nearestCount, withFirstCandidates } from './equal-cost.ts';
import { drawFigures } from './figures/all.ts';
import { greatestChanges } from './gallery.ts';
import { Pictures } from './pictures.ts';
import { summarise } from './summarise.ts';

/** Scores of the candidates of every search: the best by CLIP A are 0, then 1, then 4. */
const CANDIDATES = [
  { clip_a: 30, judge: 0.3 },
  { clip_a: 31, judge: 0.7 },
  { clip_a: 31, judge: 0.1 },
  { clip_a: 29, judge: 0.9 },
  { clip_a: 33, judge: 0.5 },
  { clip_a: 20, judge: 0 },
];

let folder = '';
let searched: Evaluation;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-equal-cost-'));
  const fake = await fakeEvaluation(folder, {
    prompts: 3,
    seeds: 1,
    methods: [
      { label: 'sd', gain: 0, calls: 10 },
      { label: 'best-of', gain: 0.05, calls: 600 },
      { label: 'sgool', gain: 0.1, calls: 230 },
      { label: 'doodl', gain: 0.1, calls: 5000 },
      { label: 'clip-guided', gain: 0.1, calls: 40 },
    ],
  });
  searched = withSearches(fake, (record) => ({
    ...record,
    iterations: CANDIDATES.length - 1,
    curve: CANDIDATES.map((scores, iteration) => ({ iteration, scores })),
  }));
});
afterAll(() => rm(folder, { recursive: true }));

function withSearches(evaluation: Evaluation, change: (record: DoneCell) => DoneCell): Evaluation {
  return {
    ...evaluation,
    cells: evaluation.cells.map((cell) =>
      cell.label === 'best-of' && cell.record?.status === 'done'
        ? { ...cell, record: change(cell.record) }
        : cell,
    ),
  };
}

describe('the first candidates of a search', () => {
  it('are a column at the cost of each cheaper method, and none where all of them cost less than the method', () => {
    const { firsts, manifest } = withFirstCandidates(searched);
    // 230 of 100 for each candidate; 40 is less than one.
    expect(firsts.map(({ label, firstOf }) => [label, firstOf])).toEqual([
      ['best-of (first 1)', { label: 'best-of', count: 1 }],
      ['best-of (first 2)', { label: 'best-of', count: 2 }],
    ]);
    expect(manifest.methods.slice(0, 5)).toEqual(searched.manifest.methods);
  });

  it('are the cells that a run of so many candidates makes: its id, its choice, its scores, its cost', () => {
    const { cells } = withFirstCandidates(searched);
    const own = cells.filter(({ label }) => label === 'best-of (first 2)');
    expect(own.map(({ prompt }) => prompt)).toEqual(['1', '2', '3']);
    for (const { id, cell, record } of own) {
      expect(cell.settings.iterations).toBe(1);
      expect(id).toBe(cellId(cell));
      expect(record).toMatchObject({
        id,
        iteration: 1,
        iterations: 1,
        scores: { clip_a: 31, judge: 0.7 },
        cost: { forward: 200, pullback: 0, flops: 200e9, seconds: 10 },
      });
      expect(record).not.toHaveProperty('features');
      expect(record).not.toHaveProperty('regions');
    }
  });

  it('keep the first of equal candidates, as a run does', () => {
    const dear = searched.cells.map((cell) =>
      cell.label === 'sgool' && cell.record?.status === 'done'
        ? { ...cell, record: { ...cell.record, cost: { ...cell.record.cost, flops: 300e9 } } }
        : cell,
    );
    const { cells } = withFirstCandidates({ ...searched, cells: dear });
    expect(cells.find(({ label }) => label === 'best-of (first 3)')?.record).toMatchObject({ iteration: 1 });
  });

  it('are all candidates of a run that stopped before', () => {
    const short = withSearches(searched, (record) =>
      record.cell.prompt.includes('<1>')
        ? { ...record, iterations: 0, curve: record.curve?.slice(0, 1) }
        : record,
    );
    const [first] = withFirstCandidates(short).cells.filter(({ label }) => label === 'best-of (first 2)');
    expect(first.record).toMatchObject({ iteration: 0, iterations: 0, cost: { flops: 600e9 } });
  });

  it('are no column where candidates have no score to select by', () => {
    const without = withSearches(searched, (record) => ({
      ...record,
      curve: record.curve?.map((point) => ({ ...point, scores: { judge: 0.5 } })),
    }));
    expect(withFirstCandidates(without).firsts).toEqual([]);
    expect(withFirstCandidates(withSearches(searched, ({ curve: _, ...record }) => record)).firsts).toEqual(
      [],
    );
  });

  it('stand in every table, and in no count of images, failures or pictures', async () => {
    const summary = summarise(searched);
    expect(summary.cells).toMatchObject({ total: 15, done: 15 });
    expect(summary.methods.at(-1)).toMatchObject({
      label: 'best-of (first 2)',
      firstOf: { label: 'best-of', count: 2 },
      done: 3,
      roles: { clip_a: 'selects', judge: 'judges' },
    });
    const judged = summary.means.find(
      ({ method, score, category }) =>
        method === 'best-of (first 2)' && score === 'judge' && category === undefined,
    );
    expect(judged).toMatchObject({ mean: expect.closeTo(0.7, 12), prompts: 3 });
    expect(summary.equalCost).toEqual([
      { method: 'sgool', search: 'best-of (first 2)', ratio: expect.closeTo(200 / 230, 12), isEqual: true },
      { method: 'doodl', search: 'best-of', ratio: expect.closeTo(600 / 5000, 12), isEqual: false },
      {
        method: 'clip-guided',
        search: 'best-of (first 1)',
        ratio: expect.closeTo(100 / 40, 12),
        isEqual: false,
      },
    ]);
    expect(
      summary.againstSearch.find(({ method, score }) => method === 'sgool' && score === 'judge'),
    ).toMatchObject({ to: 'best-of (first 2)', prompts: 3 });
    expect(summary.curves.map(({ method }) => method)).toEqual(['best-of', 'sgool']);
    const changes = await greatestChanges(searched, summary, new Pictures(folder, 0));
    expect(changes.map(({ method }) => method)).toEqual(['best-of', 'sgool', 'doodl', 'clip-guided']);
    const { means } = drawFigures(withFirstCandidates(searched), summary);
    expect(means.some(({ svg }) => svg.includes('best-of (first 2)'))).toBe(true);
  });
});

describe('a search', () => {
  it('has candidates that do not depend on each other', () => {
    expect(isSearch({ method: 'best-of' })).toBe(true);
    for (const method of ['sd', 'sgool', 'doodl', 'clip-guided', 'nope'])
      expect(isSearch({ method }), method).toBe(false);
  });

  it.each([
    [0.2, 1],
    [1.3, 1],
    [1.42, 2],
    [2.4, 2],
    [2.45, 3],
    [65.2, 65],
  ])('at a cost of %d has %i candidates', (cost, count) => {
    expect(nearestCount(cost)).toBe(count);
  });
});

describe('the agreement with the judge', () => {
  it('is the correlation within prompts over the candidates of a search', () => {
    const { agreement } = summarise(searched);
    const row = agreement.find(({ score, category }) => score === 'clip_a' && category === undefined);
    const x = CANDIDATES.map(({ clip_a }) => clip_a);
    const y = CANDIDATES.map(({ judge }) => judge);
    const middle = (values: number[]) =>
      values.map((v) => v - values.reduce((a, b) => a + b) / values.length);
    const dot = (a: number[], b: number[]) => a.reduce((total, v, i) => total + v * b[i], 0);
    const [dx, dy] = [middle(x), middle(y)];
    const r = dot(dx, dy) / Math.sqrt(dot(dx, dx) * dot(dy, dy));
    expect(row).toMatchObject({ judge: 'judge', r: expect.closeTo(r, 12), prompts: 3, images: 18 });
    // Candidates have no other score, and the reference has one seed.
    expect(agreement.map(({ score }) => score)).not.toContain('clip_b');
  });

  it('is over the seeds of the reference where no search has both scores, and positive where both would be climbed', () => {
    const seeds = {
      ...searched,
      manifest: {
        ...searched.manifest,
        methods: searched.manifest.methods.filter(({ label }) => label !== 'best-of'),
        seeds: [0, 1, 2],
        scores: searched.manifest.scores.map((score) =>
          score.name === 'clip_b' ? { ...score, higherIsBetter: false } : score,
        ),
      },
      cells: searched.cells
        .filter(({ label }) => label === 'sd')
        .flatMap((cell) =>
          [0, 1, 2].map((seed) => ({
            ...cell,
            seed,
            record: {
              ...(cell.record as DoneCell),
              scores: { judge: seed + Number(cell.prompt), clip_b: 100 * Number(cell.prompt) - seed },
            },
          })),
        ),
    };
    const [row] = summarise(seeds).agreement;
    expect(row).toMatchObject({ score: 'clip_b', r: expect.closeTo(1, 12), prompts: 3, images: 9 });
    expect(row.interval).toEqual({ low: expect.closeTo(1, 9), high: expect.closeTo(1, 9) });
  });
});
