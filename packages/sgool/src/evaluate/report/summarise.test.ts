import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mean } from '../../numbers.ts';
import type { ScoreInfo } from '../cells/manifest.ts';
import type { Evaluation } from '../cells/run-folder.ts';
import { holm } from '../statistics/wilcoxon.ts';
import { summarise } from './summarise.ts';
import type { Summary } from './summary.ts';
import {
  comparisonOf,
  scoreOf,
  summarised,
  twoSuites,
  withManifest,
  withRecords,
  withScore,
} from './testing/summarised.ts';

let folder = '';
let fake: Evaluation;
let summary: Summary;
let lean: Evaluation;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-summary-'));
  ({ fake, summary, lean } = await summarised(join(folder, 'fake')));
});
afterAll(() => rm(folder, { recursive: true }));

describe('means', () => {
  it('are over prompts, with an interval that holds the truth', () => {
    const rows = summary.means.filter(({ category, score }) => category === undefined && score === 'judge');
    expect(rows.map(({ method }) => method)).toEqual(['sd', 'best-of', 'sgool']);
    for (const [i, gain] of [0, 0.05, 0.1].entries()) {
      const own = fake.cells.filter(({ label }) => label === rows[i].method);
      expect(rows[i].mean).toBeCloseTo(mean(own.map((cell) => scoreOf(cell, 'judge'))), 12);
      expect(rows[i]).toMatchObject({ prompts: 16, images: 32 });
      // 0.4 + 0.3 · uniform + gain
      expect(rows[i].interval?.low).toBeLessThan(0.55 + gain);
      expect(rows[i].interval?.high).toBeGreaterThan(0.55 + gain);
    }
  });

  it('count a prompt once, however many seeds it has', () => {
    // The second seed of all prompts but the first is gone, and the first prompt is far above the others.
    const few = withRecords(lean, (record, { prompt, seed }) =>
      prompt !== '1' && seed === 1
        ? undefined
        : { ...record, scores: { ...record.scores, judge: prompt === '1' ? 17 : 1 } },
    );
    const row = summarise(few).means.find(({ method, score }) => method === 'sd' && score === 'judge');
    expect(row?.mean).toBeCloseTo(2, 12);
    expect(row?.images).toBe(17);
  });

  it('are by category too', () => {
    const rows = summary.means.filter(({ score, method }) => score === 'judge' && method === 'sd');
    expect(rows.map(({ category, prompts }) => [category, prompts])).toEqual([
      [undefined, 16],
      ['Colors', 6],
      ['Counting', 5],
      ['Positional', 5],
    ]);
    const own = fake.cells.filter(({ label, prompt }) => label === 'sd' && Number(prompt) % 3 === 1);
    expect(rows[1].mean).toBeCloseTo(mean(own.map((cell) => scoreOf(cell, 'judge'))), 12);
  });

  it('have no interval for a single prompt', () => {
    const one = withManifest(lean, {
      suites: fake.manifest.suites.map((suite) => ({ ...suite, prompts: suite.prompts.slice(0, 1) })),
    });
    expect(summarise(one).means[0].interval).toBeNull();
  });

  it('are none for scores that compare images of one prompt only, over suites neither', () => {
    const twice = twoSuites(fake);
    const both = summarise(twice);
    expect(both.means.some(({ score }) => score === 'hps-v2.1')).toBe(false);
    expect(both.means.some(({ suite, score }) => suite === undefined && score === 'judge')).toBe(true);
    const pooled = both.comparisons.filter(({ suite, score }) => suite === undefined && score === 'hps-v2.1');
    expect(pooled.map(({ method }) => method)).toEqual(['best-of', 'sgool']);
    expect(both.warnings.join()).toContain('HPS v2.1 compares images of one prompt only');
  });
});

describe('all suites together', () => {
  it('count a prompt once that two suites share', () => {
    const pooled = summarise(twoSuites(fake)).means.find(
      ({ suite, method, score }) => suite === undefined && method === 'sd' && score === 'judge',
    );
    const single = summary.means.find(({ method, score }) => method === 'sd' && score === 'judge');
    expect(pooled?.prompts).toBe(16);
    expect(pooled?.mean).toBeCloseTo(single?.mean ?? Number.NaN, 12);
    expect(summary.means.some(({ suite }) => suite === undefined)).toBe(false);
  });
});

describe('comparisons', () => {
  it('find the known gains, from pairs of the same prompt and seed', () => {
    for (const [method, gain] of [
      ['best-of', 0.05],
      ['sgool', 0.1],
    ] as const) {
      const row = comparisonOf(summary.comparisons, method, 'judge');
      expect(row).toMatchObject({ to: 'sd', prompts: 16, pairs: 32, outcome: 'better', role: 'judges' });
      expect(Math.abs(row.difference - gain)).toBeLessThan(0.01);
      expect(row.interval?.low).toBeLessThan(gain);
      expect(row.interval?.high).toBeGreaterThan(gain);
      // The spread of a difference is much smaller than that of the scores: 0.1 · uniform against 0.3 · uniform.
      expect((row.interval?.high ?? 1) - (row.interval?.low ?? 0)).toBeLessThan(0.045);
      expect(row.wins + row.ties + row.losses).toBe(32);
    }
  });

  it('leave out pairs of which one image is missing or failed', () => {
    const few = withRecords(lean, (record, { label, prompt, seed }) =>
      (label === 'sgool' && prompt === '1') || (label === 'sd' && prompt === '2' && seed === 0)
        ? undefined
        : record,
    );
    const { comparisons } = summarise(few);
    expect(comparisonOf(comparisons, 'sgool', 'judge')).toMatchObject({ prompts: 15, pairs: 29 });
    expect(comparisonOf(comparisons, 'best-of', 'judge')).toMatchObject({ prompts: 16, pairs: 31 });
  });

  it('correct p over the methods by Holm', () => {
    const rows = ['best-of', 'sgool'].map((method) => comparisonOf(summary.comparisons, method, 'clip_b'));
    expect(rows.map(({ pHolm }) => pHolm)).toEqual(holm(rows.map(({ p }) => p)));
    expect(rows[1].pHolm).toBe(2 * rows[1].p);
  });

  it('call differences within the margin of the score ties', () => {
    const wide = summarise(withScore(lean, 'judge', { tie: 10 }));
    expect(comparisonOf(wide.comparisons, 'sgool', 'judge')).toMatchObject({ wins: 0, ties: 32, losses: 0 });
  });

  it('turn round where lower is better', () => {
    const row = comparisonOf(
      summarise(withScore(lean, 'judge', { higherIsBetter: false })).comparisons,
      'sgool',
      'judge',
    );
    const before = comparisonOf(summary.comparisons, 'sgool', 'judge');
    expect(row).toMatchObject({
      outcome: 'worse',
      wins: before.losses,
      losses: before.wins,
      difference: before.difference,
    });
  });

  it('say how many prompts would be needed', () => {
    const row = comparisonOf(summary.comparisons, 'best-of', 'judge');
    expect(row.promptsNeeded).toBeGreaterThan(2);
    expect(row.promptsNeeded).toBeLessThan(16);
  });
});

describe('roles', () => {
  it('are those of all conventions of a network, and of the same weights under another name', () => {
    const [clip] = fake.manifest.scores;
    const scores: ScoreInfo[] = [
      { ...clip, weights: 'w' },
      { ...clip, name: 'clip_a:cosine' },
      { ...clip, name: 'clip_a@regions' },
      { ...clip, name: 'same', weights: 'w' },
      { ...clip, name: 'clip_ab' },
    ];
    const [sd, bestOf, sgool] = summarise(withManifest(lean, { scores })).methods;
    expect(Object.values(sgool.roles)).toEqual(['guides', 'guides', 'guides', 'guides', 'judges']);
    expect(Object.values(bestOf.roles)).toEqual(['selects', 'selects', 'selects', 'selects', 'judges']);
    expect(new Set(Object.values(sd.roles))).toEqual(new Set(['judges']));
  });

  it('decide who is the best: never a method that followed the score', () => {
    expect(summary.best.map(({ score, method }) => [score, method])).toEqual([
      ['clip_b', 'sgool'],
      ['judge', 'sgool'],
      ['hps-v2.1', 'sgool'],
    ]);
    expect(comparisonOf(summary.comparisons, 'sgool', 'clip_a').role).toBe('guides');
    expect(comparisonOf(summary.comparisons, 'best-of', 'clip_a').role).toBe('selects');
  });

  it('decide who judges: the judge of the truth, scores with means, others; or the one that was asked for', () => {
    expect(summary.judges).toEqual(['judge', 'clip_b', 'hps-v2.1']);
    expect(summarise(fake, { judge: 'hps-v2.1' }).judges[0]).toBe('hps-v2.1');
    expect(() => summarise(fake, { judge: 'clip_a' })).toThrow(
      '--judge: clip_a selects best-of, so it cannot judge it; these may: judge, clip_b, hps-v2.1',
    );
    expect(() => summarise(fake, { judge: 'none' })).toThrow(
      'the evaluation has no score none; it has clip_a,',
    );
  });
});
