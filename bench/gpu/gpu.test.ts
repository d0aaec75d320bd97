import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Report } from '../runs/report.ts';
import { judged } from '../runs/verdicts.ts';
import { cardOf } from './card.ts';
import { COMPARISONS, decibels, lineOf, type Measured } from './comparisons.ts';
import { CONTESTANTS, onProcessor } from './contestants.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-bench-gpu-test-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Runs the benchmark on a machine that has no `nvidia-smi` and no Python. */
function bench(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const flags = ['--import', 'tsx', '--conditions', '@sgool/source'];
  const env = { ...process.env, PATH: dir, INIT_CWD: dir };
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, MAIN, 'gpu', ...words], { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

it('says in one line that there is no card, with the exit code of its help', async () => {
  const { code, stdout, stderr } = await bench();
  expect([code, stdout]).toEqual([3, '']);
  expect(stderr).toBe(
    'bench:gpu: no NVIDIA card was found (there is no nvidia-smi); --smoke tries the script on the processor\n',
  );
  const help = await bench('--help');
  expect(help.stdout).toContain('3 no NVIDIA card');
  const wrong = await bench('--steps', '0');
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    'bench:gpu: --steps must be a whole number above 0, got 0\n',
  ]);
  const none = await bench('--rows', 'flux');
  expect([none.code, none.stderr]).toEqual([
    2,
    expect.stringMatching(/^bench:gpu: --rows: no row has the words "flux"; the rows are: .*\n$/),
  ]);
});

it('as a smoke test measures ours on the processor, and says what had no peer', async () => {
  const [json, chart] = [join(dir, 'out.json'), join(dir, 'out.svg')];
  const words = ['--smoke', '--steps', '1', '--repeats', '1', '--json', json, '--chart', chart];
  const { code, stdout, stderr } = await bench(
    ...words,
    '--rows',
    'float32 careful iteration, card float32 memory',
  );
  expect(stderr).toContain('bench:gpu: ours, float32 ...');
  expect(code).toBe(0);
  const { lines } = JSON.parse(await readFile(json, 'utf8')) as Report;
  expect(lines.map(({ name, unit }) => `${name}: ${unit}`)).toEqual([
    'iteration, float32: s',
    'memory on the card, float32: GB',
  ]);
  for (const line of lines) {
    expect(line.failed).toBe('no peers');
    expect(line.ours).toBeGreaterThan(0.001);
  }
  expect(stdout).toContain('| iteration, float32');
  expect(await readFile(chart, 'utf8')).toContain('smoke test on ');
});

describe('the rows', () => {
  it('have different names or peers, and each names two sides that are measured', () => {
    const names = COMPARISONS.map(({ name, otherName }) => `${name}: ${otherName}`);
    expect(new Set(names).size).toBe(names.length);
    const used = new Set(COMPARISONS.flatMap(({ ours, other }) => [ours, other]));
    expect([...used].sort()).toEqual(Object.keys(CONTESTANTS).sort());
  });

  it('hold the goals', () => {
    const goals = COMPARISONS.flatMap(({ name, figure, goal }) => (goal ? [[name, figure, goal]] : []));
    expect(goals).toEqual([
      ['iteration, float32', 'time', 0.75],
      ['memory on the card, float32', 'memory', 1.2],
      ['iteration, tf32', 'time', 0.75],
      ['memory on the card, tf32', 'memory', 1.2],
      ['iteration, float16', 'time', 0.75],
      ['memory on the card, float16', 'memory', 1.2],
      ['iteration, float16 and tf32', 'time', 0.6],
      ['process start to first picture, float32', 'start', 1],
      ['picture of the card and of the processor, Toybox, 3 iterations', 'likeness', 45],
      ['iteration, WebGPU and CUDA, float32', 'time', 2.5],
    ]);
  });

  it('compute on the processor in a smoke test, which has no TF32', () => {
    expect(onProcessor(CONTESTANTS['ours, tf32']).fields).toMatchObject({
      device: 'cpu',
      precision: 'float32',
    });
    expect(onProcessor(CONTESTANTS['ours, float16']).fields).toMatchObject({
      device: 'cpu',
      precision: 'float16',
    });
  });
});

describe('lineOf', () => {
  const side = (seconds: number[], startSeconds: number, peakBytes: number): Measured => ({
    seconds,
    startSeconds,
    peakBytes,
  });
  const [ours, other] = [side([2, 1.5], 9, 12e9), side([2.5, 2], 6, 10e9)];
  const comparison = (name: string) => COMPARISONS.find((one) => one.name === name) ?? COMPARISONS[0];

  it.each([
    ['iteration, float32', 1.5, 2, 0.75, 'met'],
    ['memory on the card, float32', 12, 10, 1.2, 'met'],
    ['process start to first picture, float32', 9, 6, 1.5, 'NOT met'],
  ])('takes the fastest run, the peak, or the start: %s', (name, a, b, ratio, verdict) => {
    const [line] = judged([lineOf(comparison(name), ours, other, {})]);
    expect(line).toMatchObject({ ours: a, peer: b, ratio, verdict });
  });

  it('judges pictures by their likeness', () => {
    const toybox = comparison('picture of the card and of the processor, Toybox, 3 iterations');
    const [near] = judged([lineOf(toybox, ours, other, { decibels: 45 })]);
    const [far] = judged([lineOf(toybox, ours, other, { decibels: 44.9 })]);
    expect([near.verdict, far.verdict, near.peer]).toEqual(['met', 'NOT met', undefined]);
    expect(decibels([0, 255], [0, 254])).toBeCloseTo(10 * Math.log10(2 * 255 ** 2), 9);
    expect(decibels([7], [7])).toBe(99);
  });

  it('says which side is missing, and keeps the figure of the other', () => {
    const line = lineOf(COMPARISONS[0], ours, { failed: 'careful, float32: out of memory' }, {});
    expect(line).toMatchObject({ ours: 1.5, failed: 'careful, float32: out of memory' });
    expect(line.ratio).toBeUndefined();
  });
});

it('reads what the driver says of the card', () => {
  expect(cardOf('NVIDIA H100 80GB HBM3, 580.65.06, 1024\n')).toEqual({
    name: 'NVIDIA H100 80GB HBM3',
    driver: '580.65.06',
    usedBytes: 2 ** 30,
  });
  expect(cardOf('No devices were found')).toBeUndefined();
});
