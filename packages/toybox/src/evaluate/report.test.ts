import { describe, expect, it } from 'vitest';
import { reportOf, reportText } from './report.ts';
import type { Result } from './results.ts';
import { isMet, THRESHOLDS, thresholdRows } from './threshold-list.ts';

const result = (method: Result['method'], clipB: number | undefined, score: number): Result => ({
  prompt: 'a red cat and a blue boat',
  method,
  seed: 1,
  fingerprint: 'f',
  image: 'images/1.png',
  clip: { A: 30, B: clipB },
  judge: { score, correct: score > 0.5, things: score > 0.5 ? 1 : 0.5 },
  seconds: method === 'sd' ? 2 : 60,
  evaluations: { forward: method === 'sd' ? 100 : 3000, pullback: method === 'sd' ? 0 : 1500 },
  iteration: 1,
  iterations: 2,
});

describe('a report', () => {
  const results = new Map([
    ['sd', [result('sd', 20, 0.4), result('sd', 22, 0.9), result('sd', 24, 0.3)]],
    ['sgool', [result('sgool', 23, 0.9), result('sgool', 22.05, 0.905), result('sgool', 23, 0.2)]],
  ] as const);

  it('has means of each method, and wins, ties and losses prompt by prompt', () => {
    const { methods, against, baseline } = reportOf(results);
    expect(baseline).toBe('sd');
    expect(methods.sd).toMatchObject({ prompts: 3, clipB: 22, forward: 100, seconds: 2 });
    expect(methods.sd?.correct).toBeCloseTo(1 / 3, 10);
    expect(methods.sgool?.correct).toBeCloseTo(2 / 3, 10);
    expect(against.sgool?.clipB).toMatchObject({ wins: 1, ties: 1, losses: 1 });
    expect(against.sgool?.judge).toMatchObject({ wins: 1, ties: 1, losses: 1 });
    expect(against.sgool?.clipB?.difference).toBeCloseTo((3 + 0.05 - 1) / 3, 10);
  });

  it('has no figure for a CLIP that the model lacks', () => {
    const { methods, against } = reportOf(
      new Map([
        ['sd', [result('sd', undefined, 0.4)]],
        ['sgool', [result('sgool', undefined, 0.9)]],
      ] as const),
    );
    expect(methods.sd?.clipB).toBeUndefined();
    expect(against.sgool?.clipB).toBeUndefined();
  });

  it('reads as two tables', () => {
    const lines = reportText(reportOf(results)).split('\n');
    expect(lines[0]).toMatch(/^\| method +\| +CLIP A \| CLIP B \| judge \|/);
    expect(lines[2]).toMatch(/^\| sd +\| +30\.00 \| +22\.00 \| 0\.533 \| +33\.3% \|/);
    expect(lines.find((line) => line.startsWith('| sgool') && line.includes('['))).toContain('1/1/1');
  });
});

describe('thresholds', () => {
  it('are met on the right side only', () => {
    expect(isMet(THRESHOLDS.psnr, 28)).toBe(true);
    expect(isMet(THRESHOLDS.psnr, 27.99)).toBe(false);
    expect(isMet(THRESHOLDS.judgeDrop, -0.5)).toBe(true);
    expect(isMet(THRESHOLDS.judgeDrop, 3.1)).toBe(false);
    expect([0.44, 0.5, 0.9].map((share) => isMet(THRESHOLDS.pair, share))).toEqual([false, true, false]);
    expect(isMet(THRESHOLDS.nss, Number.NaN)).toBe(false);
  });

  it('say what is wanted, what was measured, and of how many', () => {
    const rows = thresholdRows({ pair: { value: 0.625, of: 40 }, psnr: { value: 27.618, of: 200 } });
    expect(rows).toHaveLength(Object.keys(THRESHOLDS).length);
    expect(rows).toContainEqual([THRESHOLDS.pair.name, '45% to 85%', '62.5%', '40', 'yes']);
    expect(rows).toContainEqual([THRESHOLDS.psnr.name, '>= 28', '27.62 dB', '200', 'NO']);
    expect(rows).toContainEqual([THRESHOLDS.cc.name, '>= 0.85', '-', '-', '-']);
  });
});
