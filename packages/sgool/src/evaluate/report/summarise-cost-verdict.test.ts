import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mean } from '../../numbers.ts';
import { defined } from '../../testing.ts';
import type { EvaluatedCell, Evaluation } from '../cells/run-folder.ts';
import { equivalentN } from '../statistics/equivalent-n.ts';
import { FAKE_ANGLE, fakeEvaluation } from '../testing.ts';
import { summarise } from './summarise.ts';
import type { Summary } from './summary.ts';
import { scoreOf, summarised, twoSuites, withManifest, withRecords } from './testing/summarised.ts';

let folder = '';
let fake: Evaluation;
let summary: Summary;
let lean: Evaluation;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-summary-'));
  ({ fake, summary, lean } = await summarised(join(folder, 'fake')));
});
afterAll(() => rm(folder, { recursive: true }));

describe('cost', () => {
  it('is counted three times, relative to the reference', () => {
    expect(summary.cost[2]).toEqual({
      method: 'sgool',
      images: 32,
      forward: 200,
      pullback: 200,
      flops: 200e9,
      seconds: 10,
      relative: { calls: 40, flops: 20, seconds: 20 },
    });
  });

  it('finds best-of at equal cost, or says that it is missing', () => {
    expect(summary.equalCost).toEqual([{ method: 'sgool', search: 'best-of', ratio: 3, isEqual: false }]);
    // Another search is no baseline: it is compared with the one that selects among plain images.
    const methods = fake.manifest.methods.map((one) => ({
      ...one,
      ...(one.label === 'sgool' && { guides: [], selects: ['clip_a'] }),
    }));
    expect(summarise(withManifest(fake, { methods })).equalCost).toEqual(summary.equalCost);
    expect(summary.warnings).toContain(
      'Best-of at equal cost is missing for sgool: the nearest, best-of, has 3.0 times its cost.',
    );
    const equal = summarise(
      withRecords(lean, (record, { label }) =>
        label === 'best-of' ? { ...record, cost: { ...record.cost, flops: 245e9 } } : record,
      ),
    );
    expect(equal.equalCost[0].isEqual).toBe(true);
    expect(equal.warnings.join()).not.toContain('Best-of');
    const none = summarise(
      withManifest(lean, { methods: lean.manifest.methods.filter(({ label }) => label !== 'best-of') }),
    );
    expect(none.equalCost).toEqual([{ method: 'sgool', isEqual: false }]);
    expect(none.warnings.join()).toContain('no method that only selects among plain images was run');
  });

  it('is paid back by equivalent N, from the spread within prompts', () => {
    const values = (label: string) =>
      fake.manifest.suites[0].prompts.map(({ id }) =>
        fake.cells
          .filter((cell) => cell.label === label && cell.prompt === id)
          .map((cell) => scoreOf(cell, 'judge')),
      );
    const n = equivalentN(values('sd'), mean(values('sgool').map(mean)))?.n ?? Number.NaN;
    const row = summary.equivalent.find(({ method, score }) => method === 'sgool' && score === 'judge');
    expect(row).toMatchObject({ isAtLeast: false, cost: 20 });
    expect(row?.n).toBeCloseTo(n, 9);
    expect(row?.perCost).toBeCloseTo(n / 20, 9);
    // Not for a score that does not judge.
    expect(summary.equivalent.some(({ score }) => score === 'clip_a')).toBe(false);
  });

  it('has no equivalent N where there is one seed, or the reference is guided', () => {
    const one = summarise(
      withManifest({ ...lean, cells: lean.cells.filter(({ seed }) => seed === 0) }, { seeds: [0] }),
    );
    expect(one.equivalent).toEqual([]);
    expect(one.warnings).toContain(
      'Equivalent N is missing: it needs two or more seeds of sd for each prompt.',
    );
    const guided = summarise(withManifest(lean, { reference: 'sgool' }));
    expect(guided.equivalent).toEqual([]);
    expect(guided.warnings.join()).toContain('sgool is no plain generation');
  });

  it('says at least where a method is beyond search', () => {
    const far = withRecords(lean, (record, { label }) =>
      label === 'sgool' ? { ...record, scores: { ...record.scores, judge: 1000 } } : record,
    );
    const row = summarise(far).equivalent.find(({ method }) => method === 'sgool');
    expect(row).toMatchObject({ n: 1e6, isAtLeast: true });
  });
});

describe('the noise of the results', () => {
  it('is tested by the means of each method, and by the share that is far from noise', () => {
    const rows = Object.fromEntries(summary.noiseTests.map((row) => [row.method, row]));
    const tests = fake.cells.flatMap(({ label, record }) =>
      label === 'sd' && record?.status === 'done' ? defined(record.noiseTests) : [],
    );
    const [far] = [tests.filter(({ patches }) => patches > 2).length / tests.length];
    expect(far).toBeGreaterThan(0.1);
    expect(rows.sd).toEqual({
      method: 'sd',
      images: tests.length,
      norm: 0,
      patches: expect.closeTo(mean(tests.map(({ patches }) => patches)), 9),
      beyond: far,
    });
    expect(rows['best-of'].norm).toBeCloseTo(0.05, 9);
  });
});

describe('diversity', () => {
  it('is the mean distance of features over the seeds of a prompt', () => {
    const rows = Object.fromEntries(summary.diversity.map((row) => [row.method, row]));
    expect(rows.sd.distance).toBeCloseTo(1 - Math.cos(FAKE_ANGLE), 6);
    expect(rows.sgool.distance).toBeCloseTo(1 - Math.cos(FAKE_ANGLE / 2), 6);
    expect(rows.sd).toMatchObject({ network: 'clip_b', prompts: 16 });
  });

  it('is over all pairs of three seeds', async () => {
    const three = await fakeEvaluation(join(folder, 'three'), { prompts: 2, seeds: 3 });
    const cos = (k: number) => 1 - Math.cos(k * FAKE_ANGLE);
    expect(summarise(three).diversity[0].distance).toBeCloseTo((2 * cos(1) + cos(2)) / 3, 6);
  });

  it('is absent with one seed, and a line says so', async () => {
    const one = summarise(await fakeEvaluation(join(folder, 'one'), { prompts: 2, seeds: 1 }));
    expect(one.diversity).toEqual([]);
    expect(one.warnings.join()).toContain('Diversity is missing');
  });
});

describe('fairness', () => {
  it('checks that the starting noise is equal within prompt and seed', () => {
    expect(summary.noise).toEqual({
      isEqual: true,
      text: 'Starting noise: equal for all methods in each of 32 pairs of prompt and seed.',
    });
    const other = summarise(
      withRecords(lean, (record, { label, prompt, seed }) =>
        label === 'sgool' && prompt === '3' && seed === 1 ? { ...record, noise: 'other' } : record,
      ),
    );
    expect(other.noise.isEqual).toBe(false);
    expect(other.warnings.join()).toContain(
      'differs between methods in 1 of 32 pairs of prompt and seed: fake 3 seed 1.',
    );
  });

  it('states the settings of the sampling that differ', () => {
    const methods = lean.manifest.methods.map((method, i) => ({
      ...method,
      settings: { steps: i === 0 ? 50 : 10, sampler: 'ddim', keep: String(i) },
    }));
    const { warnings, settings } = summarise(withManifest(lean, { methods }));
    expect(warnings).toContain(
      'The methods differ in steps: 50 (sd), 10 (best-of, sgool); differences between these methods are also differences of steps.',
    );
    expect(warnings.join()).not.toContain('differ in sampler');
    expect(settings.map(({ key, isEqual }) => [key, isEqual])).toEqual([
      ['steps', false],
      ['sampler', true],
      ['keep', false],
    ]);
  });
});

describe('gaps', () => {
  it('are listed: failures with reasons, images not made, prompts read in part, notes', async () => {
    const failed = await fakeEvaluation(join(folder, 'failed'), { prompts: 4, failed: ['2'] });
    const changed = withRecords(failed, (record, { label, prompt }) =>
      label === 'best-of' && prompt === '4'
        ? undefined
        : prompt === '1'
          ? { ...record, truncated: ['clip_b'], notes: ['no region'] }
          : record,
    );
    const { failures, cells, truncated, notes, defects, methods, warnings } = summarise(changed);
    expect(failures).toHaveLength(2);
    expect(failures[0]).toMatchObject({
      suite: 'fake',
      prompt: '2',
      method: 'sgool',
      seed: '0',
      error: 'unet: the noise prediction is not finite',
    });
    expect(cells).toEqual({ total: 24, done: 20, failed: 2 });
    expect(methods.map(({ done, failed: bad, missing }) => [done, bad, missing])).toEqual([
      [8, 0, 0],
      [6, 0, 2],
      [6, 2, 0],
    ]);
    expect(truncated).toEqual([{ suite: 'fake', prompt: '1', scores: ['clip_b'] }]);
    expect(notes).toEqual([{ note: 'no region', cells: 6 }]);
    expect(defects).toEqual([{ suite: 'fake', defect: 'line 3 differs from the original list' }]);
    expect(warnings.slice(0, 2)).toEqual([
      '2 of 24 images are not made yet.',
      '2 of 24 images failed; pairs without both images are left out.',
    ]);
  });

  it('may be everything: nothing is run yet', () => {
    const none = summarise(withRecords(lean, () => undefined));
    expect(none.verdict).toEqual(['There is no answer yet: judge has not scored two methods.']);
    expect(JSON.parse(JSON.stringify(none))).toEqual(none);
  });
});

describe('over-optimisation curves', () => {
  it('are means over all cells, which keep their last value where they stop', () => {
    const curve = summary.curves.find(({ method }) => method === 'sgool');
    expect(curve).toMatchObject({ judge: 'judge', followed: 'clip_a', of: 'iterates', cells: 32 });
    expect(curve?.points.map(({ iteration }) => iteration)).toEqual([0, 1, 2, 3, 4]);
    const [start, , , top] = curve?.points ?? [];
    expect(top.judge - start.judge).toBeCloseTo(0.1, 9);
    expect(start.followed).toBeCloseTo(33, 9);
    const short = withRecords(lean, (record, { prompt }) =>
      prompt === '1' ? { ...record, curve: record.curve?.slice(0, 2) } : record,
    );
    const last = summarise(short).curves[0].points[4];
    expect(last.followed).toBeCloseTo((30 * 37 + 2 * 34) / 32, 9);
  });

  it('follow what a search would have selected by then', () => {
    const curve = [
      { iteration: 0, scores: { clip_a: 5, judge: 0.5 } },
      { iteration: 1, scores: { clip_a: 4, judge: 0.9 } },
      { iteration: 2, scores: { clip_a: 6, judge: 0.2 } },
    ];
    const searched = withRecords(lean, (record, { label }) =>
      label === 'best-of' ? { ...record, curve } : record,
    );
    const found = summarise(searched).curves.find(({ method }) => method === 'best-of');
    expect(found?.of).toBe('selected so far');
    expect(found?.points.map(({ judge, followed }) => [judge, followed])).toEqual(
      [
        [0.5, 5],
        [0.5, 5],
        [0.2, 6],
      ].map(([judge, followed]) => [expect.closeTo(judge, 9), expect.closeTo(followed, 9)]),
    );
  });

  it('have a limited number of points, the last iteration among them', () => {
    const curve = Array.from({ length: 302 }, (_, iteration) => ({
      iteration,
      scores: { clip_a: iteration, judge: iteration },
    }));
    const long = withRecords(lean, (record, { label, prompt }) =>
      label === 'sgool' && prompt === '1' ? { ...record, curve } : { ...record, curve: undefined },
    );
    const points = summarise(long).curves[0].points;
    expect(points.length).toBeLessThanOrEqual(42);
    expect(points.at(-1)).toMatchObject({ iteration: 301, judge: 301 });
  });
});

describe('the verdict', () => {
  const first = (evaluation: Evaluation) => summarise(evaluation).verdict[0];
  const judged = (change: (value: number, cell: EvaluatedCell) => number) =>
    withRecords(lean, (record, cell) => ({
      ...record,
      scores: { ...record.scores, judge: change(record.scores.judge ?? 0, cell) },
    }));

  it('names the winner, what it costs, what search does, and whether others say the same', () => {
    const { verdict } = summary;
    expect(verdict[0]).toMatch(
      /^By judge, sgool is the best and better than sd: \+0\.\d{3} \(95% interval 0\.\d{3} to 0\.\d{3}; p < 0\.001 after Holm; \d+ better, \d+ tied, \d+ worse of 32 pairs\)\.$/,
    );
    expect(verdict[1]).toMatch(
      /^sgool is better than best-of at 3\.0 times its cost: .* A comparison at equal cost is missing\.$/,
    );
    expect(verdict[2]).toMatch(
      /^One image of sgool is worth the best of \d\.\d images of sd by judge, for the cost of 20: 0\.\d\d per unit of cost\.$/,
    );
    expect(verdict[3]).toMatch(/^CLIP B says the same of sgool and sd \(better\)/);
    expect(verdict.at(-1)).toMatch(
      /^The run is smaller than .* needs: 16 prompts of at least 100 and 2 seeds of at least 3\.$/,
    );
  });

  it('says not told apart, and how many prompts would be needed', () => {
    // Noise without a gain, different for each method.
    const noise = judged((_, { label, prompt, seed }) => {
      const turn = ['sd', 'best-of', 'sgool'].indexOf(label) + 1;
      return 0.5 + 0.1 * Math.sin(37 * turn * Number(prompt) + 11 * Number(seed) + turn);
    });
    expect(first(noise)).toMatch(
      /^By judge, no method is better than sd(:.*is not told apart from it.* To see a difference of this size takes [\d,]+ prompts; there are 16\.|\.)/,
    );
    expect(summarise(noise).verdict.join(' ')).not.toMatch(/is the best|worth the best/);
  });

  it('says that no method is better, and which are worse', () => {
    expect(first(judged((value, { label }) => value - (label === 'sd' ? 0 : 0.5)))).toMatch(
      /^By judge, no method is better than sd\. Worse: best-of −0\.4\d\d .*; sgool −0\.\d\d\d /,
    );
  });

  it('names methods that are not told apart from the best', () => {
    const equal = judged((value, { label, prompt }) =>
      label === 'best-of' ? value + 0.05 + (Number(prompt) % 2 === 0 ? 0.001 : -0.001) : value,
    );
    expect(first(equal)).toMatch(/It is not told apart from (best-of|sgool)\.$/);
  });

  it('has no result where every score guided or selected', () => {
    const taught = withManifest(lean, { scores: lean.manifest.scores.slice(0, 1) });
    expect(first(taught)).toBe(
      'There is no answer: every score guided or selected a method, and a score does not judge what it taught.',
    );
  });

  it('is for each suite, and for all', () => {
    const { verdict } = summarise(twoSuites(fake));
    const starts = verdict.flatMap((line) => /^(.*): By judge/.exec(line)?.[1] ?? []);
    expect(starts).toEqual(['Over all suites', 'fake', 'other']);
  });

  it('calls no run of 100 prompts and 3 seeds small', () => {
    const many = withManifest(lean, { seeds: [0, 1, 2] });
    const [suite] = lean.manifest.suites;
    const prompts = Array.from({ length: 100 }, (_, i) => suite.prompts[i] ?? { id: `x${i}`, text: `x${i}` });
    const large = withManifest(many, { suites: [{ ...suite, prompts }] });
    expect(summarise(large).verdict.join()).not.toContain('smaller than');
    expect(summarise(many).verdict.join()).toContain('needs: 16 prompts of at least 100.');
  });
});

it('is plain data: what JSON gives back is the same', () => {
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
});
