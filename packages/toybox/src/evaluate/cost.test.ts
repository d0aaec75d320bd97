import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { loadPipeline, type Pipeline } from 'sgool';
import type { Judge } from 'sgool/evaluate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costChart } from './cost-chart.ts';
import { bestWithin, curveOf } from './cost-curves.ts';
import { type CostRecord, recordChart } from './cost-record.ts';
import { costReport, costTable } from './cost-report.ts';
import { type Trace, traceOf } from './history.ts';
import { openResults } from './results.ts';

/** Iterations of one evaluation forward and one back each, with the given scores of CLIP A; B is ten more, the judge a 64th. */
function traced(scores: readonly number[], each = 1): Trace {
  const points = scores.map((A, i) => ({
    forward: each * (i + 1),
    pullback: each * i,
    clip: { A, B: A + 10 },
    judge: { score: A / 64, correct: A > 50 },
    seconds: i,
  }));
  return { prompt: 'a cat', method: 'doodl', seed: 1, fingerprint: 'f', points };
}

describe('curves', () => {
  it('hold the best image by CLIP A that a cost pays for, a pullback counting three', () => {
    const trace = traced([40, 60, 50, 70]);
    // Costs: 1, 5, 9, 13.
    expect([0, 1, 4, 5, 12, 13].map((cost) => bestWithin(trace, cost)?.clip.A)).toEqual([
      undefined,
      40,
      40,
      60,
      60,
      70,
    ]);
  });

  it('are means over prompts, from the plain images to the end of the longest run', () => {
    const curve = curveOf([traced([40, 60, 80]), traced([20, 10])]);
    expect(curve[0]).toEqual({ cost: 1, clipA: 30, clipB: 40, judge: 30 / 64, correct: 0 });
    expect(curve.at(-1)).toEqual({ cost: 9, clipA: 50, clipB: 60, judge: 50 / 64, correct: 0.5 });
    const costs = curve.map(({ cost }) => cost);
    expect(costs).toEqual(costs.toSorted((a, b) => a - b));
  });
});

describe('a report', () => {
  const long = [traced([40, 50, 60], 50), traced([20, 30, 60], 50)];
  const report = costReport(
    new Map([
      ['published', long],
      ['quick', [traced(Array(20).fill(55)), traced([20, 30, 40, 50, 60, 70, 80, 90, 95, 96, 97, 98, 99])]],
    ]),
  );

  it('gives the reference all it takes and the others a tenth', () => {
    expect(report).toMatchObject({ reference: 'published', referenceCost: 450, budget: 45 });
    expect(report.variants.published).toMatchObject({ forward: 150, pullback: 100, means: { clipA: 60 } });
    // Twelve iterations cost 45, the thirteenth 49.
    expect(report.variants.quick).toMatchObject({ forward: 12, pullback: 11, means: { clipA: 76.5 } });
    expect(report.variants.quick.against?.clipB).toMatchObject({ difference: 16.5, wins: 1, losses: 1 });
    expect(costTable(report)).toContain('45 evaluations');
  });

  it('is drawn with a line for each variant', () => {
    const lines = Object.entries(report.variants).map(([name, { curve }]) => ({ name, curve }));
    const svg = costChart('title', lines, report.budget);
    expect(svg).not.toContain('NaN');
    // Three panels, each with two rules and a line per variant; the legend has one of each variant.
    expect(svg.match(/<polyline/g)).toHaveLength(12 + 2);
    expect(svg).toContain('>quick</text>');
  });
});

describe('the committed chart', () => {
  it('is drawn from the committed figures', async () => {
    const read = (name: string) => readFile(new URL(`../../../../${name}`, import.meta.url), 'utf8');
    const record = JSON.parse(await read('packages/toybox/measured/cost.json')) as CostRecord;
    expect(await read('docs/evaluations.svg')).toBe(recordChart(record));
  });
});

describe('a trace', () => {
  let pipeline: Pipeline;
  let folder: string;
  beforeAll(async () => {
    pipeline = await loadPipeline('toybox', { threads: 1 });
    folder = await mkdtemp(path.join(os.tmpdir(), 'toybox-cost-'));
  });
  afterAll(async () => {
    await pipeline.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it('scores every iteration with what it took so far, and is taken from the folder the next time', async () => {
    let judged = 0;
    const judge: Judge = {
      async detect() {
        judged++;
        return [];
      },
      dispose: async () => {},
    };
    const options = async () => ({
      ...{ pipeline, judge, model: 'hash', seed: 3 },
      spec: { text: 'a red cat', things: [{ kind: 'cat', colour: 'red' }] } as const,
      variant: {
        method: 'doodl',
        settings: { sampler: 'ddim', steps: 2, iterations: 2, guidanceScale: 2 },
      } as const,
      store: await openResults<Trace>(folder),
    });
    const { points } = await traceOf(await options());
    expect(points.map(({ forward, pullback }) => [forward, pullback])).toEqual([
      [4, 0],
      [8, 4],
      [12, 8],
    ]);
    expect(points.map(({ clip }) => typeof clip.B)).toEqual(['number', 'number', 'number']);
    expect(points[2].judge).toEqual({ score: 0, correct: false });
    expect(judged).toBe(3);
    expect((await traceOf(await options())).points).toEqual(points);
    expect(judged).toBe(3);
  });
});
