import { describe, expect, it } from 'vitest';
import { decadeAxis, positionOn, shortNumber, steppedAxis, tightAxis } from './axis.ts';
import { barChart } from './bar-chart.ts';
import { lineChart } from './line-chart.ts';

describe('an axis', () => {
  it('has ticks at whole steps around the values', () => {
    const { low, high, ticks } = steppedAxis([0.52, 0.61], 0.05);
    expect([low, high]).toEqual([0.5, 0.65]);
    expect(ticks.map(({ text }) => text)).toEqual(['0.5', '0.55', '0.6', '0.65']);
  });

  it('has ticks at powers of ten', () => {
    const axis = decadeAxis([30, 20_000]);
    expect(axis.ticks.map(({ text }) => text)).toEqual(['100', '1,000', '10,000']);
    expect(positionOn(axis, Math.sqrt(30 * 20_000))).toBeCloseTo(0.5, 12);
    expect(decadeAxis([20, 30]).ticks).toEqual([]);
  });

  it('ends at the values, and is logarithmic only where they are far apart', () => {
    expect(tightAxis([1, 2])).toMatchObject({ low: 1, high: 2, logarithmic: false });
    expect(tightAxis([0.1, 49]).logarithmic).toBe(true);
    expect(tightAxis([-1, 49]).logarithmic).toBe(false);
    expect(tightAxis([3, 3])).toMatchObject({ low: 2.5, high: 3.5 });
    expect(shortNumber(0.0123456)).toBe('0.0123');
  });
});

describe('a chart of lines', () => {
  const axis = { low: 0, high: 10, ticks: [{ at: 10, text: 'ten' }] };
  const line = { points: [[0, 0] as const, [10, 10] as const], colour: '#111' };
  const dot = { points: [[5, 5] as const], colour: '#222' };
  const svg = lineChart({
    title: 'a < b',
    panels: [
      { title: 'one', x: axis, y: axis, lines: [line, dot] },
      { title: 'two', x: axis, y: axis, lines: [line] },
    ],
    columns: 2,
    panelSize: { width: 164, height: 158 },
    legend: [
      { name: 'rising', ...line },
      { name: 'single', ...dot },
    ],
  });

  it('draws lines from corner to corner, and single points as dots, in the panels and in the legend', () => {
    // A panel of 164 x 158 has a frame of 100 x 100 at (52, 30).
    expect(svg.match(/points="52.0,130.0 152.0,30.0"/g)).toHaveLength(2);
    expect(svg).toContain('<circle cx="102" cy="80" r="3" fill="#222"/>');
    expect(svg.match(/<circle/g)).toHaveLength(2);
    expect(svg.match(/<polyline/g)).toHaveLength(3);
    expect(svg).not.toContain('NaN');
  });

  it('escapes its texts', () => {
    expect(svg).toContain('<title>a &lt; b</title>');
  });
});

describe('a chart of bars', () => {
  const bar = { label: 'UNet', value: 0.5, colour: '#0a0', figures: '1 : 2' };
  const chart = { title: 'bars', ticks: [0, 1, 2], reference: 1 };

  it('has a bar for each value, and a mark where there is a goal', () => {
    const svg = barChart({ ...chart, bars: [bar, { ...bar, value: 1, mark: 0.8 }] });
    // One of them is the ground.
    expect(svg.match(/<rect/g)).toHaveLength(3);
    expect(svg.match(/stroke="#111"/g)).toHaveLength(1);
    const widths = [...svg.matchAll(/ width="([\d.]+)" height="18"/g)].map(([, width]) => Number(width));
    expect(widths[1] / widths[0]).toBeCloseTo(2, 2);
  });

  it('has room for a goal beyond all bars', () => {
    const svg = barChart({ ...chart, bars: [{ ...bar, value: 1, mark: 2 }] });
    const [, mark] = /<line x1="([\d.]+)"[^>]*stroke="#111"/.exec(svg) ?? [];
    const [, figures] = /<text x="([\d.]+)"[^>]*>[^<]*<\/text>(?![\s\S]*<rect)/.exec(svg) ?? [];
    expect(Number(mark)).toBeGreaterThan(0);
    expect(Number(figures)).toBeGreaterThan(Number(mark));
  });

  it('leaves out ticks beyond the largest bar', () => {
    const svg = barChart({ ...chart, bars: [bar] });
    expect(svg).toContain('>1</text>');
    expect(svg).not.toContain('>2</text>');
  });
});
