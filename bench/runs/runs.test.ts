import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { chartSvg } from './chart.ts';
import { oursAlone, pairs, rowFilter, wrongRows } from './pairs.ts';
import { merged, type Report, reportChart } from './report.ts';
import { outcomeTable } from './table.ts';
import { agreement, judged, type Line } from './verdicts.ts';

const line = (fields: Partial<Line>): Line => ({
  name: 'row',
  reference: 'peer',
  unit: 's',
  peerName: 'PyTorch',
  ...fields,
});

describe('judged', () => {
  it('holds the ratio against the goal', () => {
    const lines = [
      line({ name: 'a', ratio: 0.8, goal: 0.8 }),
      line({ name: 'b', ratio: 0.81, goal: 0.8 }),
      line({ name: 'c', ratio: 0.65, goal: 0.7, sense: 'at least' }),
      line({ name: 'd', ratio: 0.5 }),
    ];
    expect(judged(lines).map(({ verdict }) => verdict)).toEqual(['met', 'NOT met', 'NOT met', '']);
  });

  it('judges the best of several peers only', () => {
    const slow = line({ ratio: 0.5, goal: 0.7, peerName: 'slow' });
    const fast = line({ ratio: 0.9, goal: 0.7, peerName: 'fast' });
    const other = line({ ratio: 1.5, peerName: 'with fewer digits' });
    expect(judged([slow, fast, other]).map(({ verdict }) => verdict)).toEqual(['', 'NOT met', '']);
  });

  it('fails a fast row whose results differ, and one whose results are NaN', () => {
    const fast = { ratio: 0.1, goal: 0.8, same: true };
    const [differs, broken, rounded] = judged([
      line({ ...fast, name: 'a', agreement: 0.9998 }),
      line({ ...fast, name: 'b', agreement: Number.NaN }),
      line({ ...fast, name: 'c', agreement: 0.9998, same: false }),
    ]);
    expect([differs.verdict, broken.verdict, rounded.verdict]).toEqual([
      'results differ',
      'results differ',
      'met',
    ]);
  });
});

describe('agreement', () => {
  it('compares results by direction, and single numbers by size', () => {
    expect(agreement([1, 0], [2, 0])).toBe(1);
    expect(agreement([1, 0], [0, 1])).toBe(0);
    expect(agreement([1], [2])).toBe(0.5);
    expect(() => agreement([1], [1, 2])).toThrow('1 and 2 values');
  });
});

describe('the outcome', () => {
  const lines = judged([
    line({ name: 'UNet', ours: 1.25, peer: 2.5, ratio: 0.5, goal: 0.8, agreement: 1, same: true }),
    line({ name: 'other', failed: 'no compiler' }),
    line({ name: 'share', reference: 'machine', unit: '%', ours: 0.7, peer: 0.5, ratio: 0.7 }),
  ]);

  it('is a table that says what failed', () => {
    const [, , measured, failed] = outcomeTable(lines).split('\n');
    expect(measured.split('|').map((cell) => cell.trim())).toEqual([
      ...['', 'UNet', 'PyTorch', '1.25 s', '2.50 s', '0.50', '<= 0.80', 'met', '1.000000', ''],
    ]);
    expect(failed).toContain('PyTorch: no compiler');
  });

  it('takes the place of what was published under the same name, and keeps the rest', () => {
    const [a, b, again] = [
      line({ name: 'a', ratio: 1 }),
      line({ name: 'b' }),
      line({ name: 'a', ratio: 0.5 }),
    ];
    const other = line({ name: 'a', peerName: 'compiled' });
    expect(merged([a, b], [again, other])).toEqual([again, b, other]);
  });

  it('is a chart of what has a peer', () => {
    const svg = chartSvg(lines, 'on <this> machine');
    expect(svg.match(/<rect/g)).toHaveLength(2);
    expect(svg).toContain('0.50  (1.25 s : 2.50 s)');
    expect(svg).toContain('on &lt;this&gt; machine');
  });
});

describe('what is published', () => {
  const inRepository = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

  it('is drawn from the measured rows: chart and table', async () => {
    const report = JSON.parse(await inRepository('docs/bench.json')) as Report;
    expect(await inRepository('docs/bench.svg')).toBe(reportChart(report));
    expect(await inRepository('README.md')).toContain(outcomeTable(judged(report.lines)));
  });
});

describe('memory beside the time', () => {
  it('is asked for where a goal or a figure without one is wanted, and belongs to rows of their own', () => {
    const rows = pairs([256, 512]);
    const goals = rows.flatMap(({ name, memory }) => (memory ? [[name, memory.goal]] : []));
    expect(Object.fromEntries(goals)).toMatchObject({
      'fine-tuning step, 512 px, --memory plenty': 0.6,
      'frames forward, 8 of 256 px': undefined,
      'frames pullback, 8 of 256 px': 0.6,
      'SD 3.5 medium pullback, 512 px': 0.6,
    });
    const forward = rows.filter(({ name }) => /^(frames|SD 3.5 medium) forward/.test(name));
    expect(forward.map(({ goal }) => goal)).toEqual([0.8, 0.8]);
  });
});

describe('rows', () => {
  it('have different names or peers', () => {
    const names = pairs([256, 512]).map(({ name, peerName }) => `${name}: ${peerName}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are each measured once where there is no peer', () => {
    const names = oursAlone(pairs([256, 512])).map(({ name }) => name);
    expect(names).toContain('UNet pullback, 512 px');
    expect(new Set(names).size).toBe(names.length);
  });

  it('are chosen by words that all occur', () => {
    const isChosen = rowFilter('unet 256 bfloat16, decoder');
    const names = pairs([256, 512]).filter(({ name, peerName }) => isChosen(`${name} ${peerName}`));
    expect(names.map(({ name }) => name)).toEqual([
      'UNet forward, 256 px',
      'UNet pullback, 256 px',
      'decoder, CLIP, pullback, 256 px',
      'decoder, CLIP, pullback, 512 px',
    ]);
  });

  it('are named where a part of the choice selects none', () => {
    const names = ['UNet forward, 256 px', 'decoder'];
    expect(wrongRows(undefined, names)).toBeUndefined();
    expect(wrongRows('unet 256, DECODER', names)).toBeUndefined();
    expect(wrongRows('decoder, unet 512', names)).toBe(
      '--rows: no row has the words "unet 512"; the rows are: UNet forward, 256 px; decoder',
    );
  });
});
