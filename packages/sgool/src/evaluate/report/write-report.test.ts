import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellPaths, type Evaluation } from '../cells/run-folder.ts';
import { fakeEvaluation } from '../testing.ts';
import { fairOrder } from './gallery.ts';
import type { WrittenReport } from './write-report.ts';
import { writeReport } from './write-report.ts';

let folder = '';
let fake: Evaluation;
let report: WrittenReport;
/** The same with one score: its reports are written faster. */
let lean: Evaluation;
let html = '';
let page: Document;

type Document = ReturnType<typeof parseHTML>['document'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-report-'));
  fake = await fakeEvaluation(join(folder, 'fake'), { prompts: 8, failed: ['2'] });
  await rm(cellPaths(fake.folder, fake.cells[0].id).image);
  await writeFile(cellPaths(fake.folder, fake.cells[1].id).image, 'no picture');
  report = await writeReport(fake);
  const { manifest } = fake;
  lean = {
    ...fake,
    manifest: { ...manifest, scores: manifest.scores.filter(({ name }) => name === 'judge') },
  };
  html = await readFile(report.page, 'utf8');
  page = parseHTML(html).document;
});
afterAll(() => rm(folder, { recursive: true }));

describe('the files of a report', () => {
  it('are the page, each figure twice, the tables and the summary, and nothing else', async () => {
    const files = await readdir(report.folder);
    expect(files.toSorted()).toEqual(report.files);
    const svg = files.filter((name) => name.endsWith('.svg'));
    const png = files.filter((name) => name.endsWith('.png'));
    expect(svg.map((name) => name.replace('.svg', ''))).toEqual(png.map((name) => name.replace('.png', '')));
    expect(files.filter((name) => !/\.(svg|png)$/.test(name)).toSorted()).toEqual([
      'agreement.csv',
      'comparisons.csv',
      'cost.csv',
      'curves.csv',
      'diversity.csv',
      'equivalent-n.csv',
      'failures.csv',
      'index.html',
      'means.csv',
      'noise.csv',
      'scores.csv',
      'summary.json',
    ]);
    expect((await sharp(join(report.folder, png[0])).metadata()).width).toBe(1080);
  });

  it('have every value: those of the records in scores.csv, those of the summary in the others', async () => {
    const rows = async (name: string) =>
      parse(await readFile(join(report.folder, name)), { columns: true }) as Record<string, string>[];
    const scores = await rows('scores.csv');
    expect(scores).toHaveLength((8 * 2 * 3 - 2) * 4);
    const { record, cell } = fake.cells[4];
    const found = scores.find((row) => row.cell === fake.cells[4].id && row.score === 'judge');
    expect(found).toMatchObject({
      suite: 'fake',
      text: cell.prompt,
      method: 'best-of',
      seed: '1',
      category: 'Colors',
    });
    expect(Number(found?.value)).toBe(record?.status === 'done' ? record.scores.judge : undefined);
    const { summary } = report;
    expect((await rows('means.csv')).map((row) => Number(row.mean))).toEqual(
      summary.means.map((row) => row.mean),
    );
    expect(await rows('comparisons.csv')).toHaveLength(
      summary.comparisons.length + summary.againstSearch.length,
    );
    expect((await rows('failures.csv'))[0]).toMatchObject({ prompt: '2', method: 'sgool' });
    const { files, ...kept } = JSON.parse(await readFile(join(report.folder, 'summary.json'), 'utf8'));
    expect(files).toEqual(report.files);
    expect(kept).toEqual(summary);
  });

  it('replace those of an earlier report, and leave what is not of a report', async () => {
    const out = join(folder, 'again');
    await writeReport(lean, { out });
    await writeFile(join(out, 'mine.txt'), 'x');
    await writeFile(join(out, 'mine.csv'), 'x');
    const suites = lean.manifest.suites.map((suite) => ({
      ...suite,
      prompts: suite.prompts.map(({ id, text }) => ({ id, text })),
    }));
    await writeReport({ ...lean, manifest: { ...lean.manifest, suites } }, { out });
    const files = await readdir(out);
    expect(files.filter((name) => name.startsWith('categories-'))).toEqual([]);
    expect(files).toContain('mine.txt');
    expect(files).toContain('mine.csv');
    // A list of files that names one outside of the folder removes nothing.
    await writeFile(join(folder, 'outside.csv'), 'x');
    await writeFile(join(out, 'summary.json'), JSON.stringify({ files: ['../outside.csv', 5] }));
    await writeReport(lean, { out });
    expect(await readdir(folder)).toContain('outside.csv');
  });

  it('are not written where the folder cannot be', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(writeReport(lean, { out: join(folder, 'file', 'report') })).rejects.toThrow(/file/);
  });

  it('are not finished where the run is stopped: the page of an earlier report stays', async () => {
    const out = join(folder, 'stopped');
    await mkdir(out);
    await writeFile(join(out, 'index.html'), 'earlier');
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    await expect(writeReport(lean, { out, signal: stop.signal })).rejects.toThrow('stopped');
    expect(await readFile(join(out, 'index.html'), 'utf8')).toBe('earlier');
  });
});

describe('the page', () => {
  it('has its sections in order, each with a link to it', () => {
    const ids = [...page.querySelectorAll('h2')].map(({ id }) => id);
    const links = [...page.querySelectorAll('nav a')].map((link) => link.getAttribute('href'));
    expect(links).toEqual(ids.map((id) => `#${id}`));
    expect(ids).toEqual([
      'answer',
      'summary',
      'comparisons',
      'roles',
      'distributions',
      'means',
      'categories',
      'cost',
      'agreement',
      'curves',
      'diversity',
      'noise',
      'images',
      'changes',
      'failures',
      'defects',
      'fairness',
      'again',
    ]);
  });

  it('needs nothing else: no script, no address, pictures as data', () => {
    expect(html).not.toMatch(/<script|<link|<iframe|@import|url\(|javascript:| on\w+=/);
    for (const image of page.querySelectorAll('img')) {
      expect(image.getAttribute('src')).toMatch(/^data:image\/webp;base64,/);
      expect(image.getAttribute('alt')).toMatch(/^(sd|best-of|sgool): a fake prompt/);
    }
    for (const link of page.querySelectorAll('a')) expect(link.getAttribute('href')).toMatch(/^#/);
    expect(page.querySelectorAll('img').length).toBeGreaterThan(20);
  });

  it('shows every text as it is', () => {
    expect(html).not.toContain('<1>');
    expect(html).toContain('a fake prompt &lt;1&gt; &amp; its &quot;picture&quot;');
    expect(page.querySelector('#again + pre')?.textContent).toBe('sgool evaluate --suite fake');
  });

  it('says what guided and selected beside each value, and makes only judged values bold', () => {
    const row = (title: string) =>
      [...page.querySelectorAll('#summary ~ .scroll tr')].find(
        (one) =>
          one.querySelector('th')?.textContent.startsWith(title) && one.querySelectorAll('td').length === 3,
      );
    const cells = (title: string) => [...(row(title)?.querySelectorAll('td') ?? [])];
    expect(cells('CLIP A').map(({ textContent }) => textContent)).toEqual([
      expect.stringMatching(/^[\d.]+[\d.]+ to [\d.]+$/),
      expect.stringMatching(/selected by it$/),
      expect.stringMatching(/guided by it$/),
    ]);
    expect(row('CLIP A')?.querySelector('b')).toBeNull();
    expect(cells('judge').map((cell) => cell.querySelector('b') !== null)).toEqual([false, false, true]);
    expect(cells('HPS')[0].textContent).toContain('the reference');
    expect(page.querySelector('#comparisons ~ .scroll')?.textContent).toContain('it guided sgool: no result');
  });

  it('shows images with salient boxes that a checkbox without a script takes away', () => {
    const box = page.querySelector('input#boxes');
    expect(box?.getAttribute('type')).toBe('checkbox');
    expect(page.querySelector('label[for=boxes]')?.textContent).toBe('draw the salient regions');
    const svg = page.querySelector('.rows .framed svg');
    expect(svg?.getAttribute('viewBox')).toBe('0 0 16 16');
    expect(svg?.querySelector('rect')?.getAttribute('width')).toBe('8');
    expect(html).toContain('.toggle:not(:checked) ~ .rows .framed svg { display: none; }');
  });

  it('says what there is in place of an image', () => {
    const places = [...page.querySelectorAll('.rows .none')].map(({ textContent }) => textContent);
    expect(places).toEqual([
      'the image file is missing',
      'the image file cannot be read',
      'failed: unet: the noise prediction is not finite',
    ]);
  });

  it('orders the greatest changes, and opens those of the best method', () => {
    const open = [...page.querySelectorAll('details[open] > summary')].map(({ textContent }) => textContent);
    expect(open).toEqual(['sgool against sd']);
    const changes = [...page.querySelectorAll('details[open] .changes .row b:first-child')]
      .map(({ textContent }) => textContent)
      .filter((text) => /^[+−]/.test(text))
      .map((text) => Number(text.replace('−', '-')));
    expect(changes).toHaveLength(10);
    expect(changes).toEqual(changes.toSorted((a, b) => b - a));
  });

  it('has scopes for all heads of tables, and a caption for each table', () => {
    for (const one of page.querySelectorAll('table')) expect(one.querySelector('caption')).not.toBeNull();
    for (const head of page.querySelectorAll('th')) expect(head.getAttribute('scope')).toMatch(/^(col|row)$/);
  });

  it('lists failures, defects and what is needed to run it again', () => {
    const text = page.querySelector('main')?.textContent ?? '';
    for (const part of [
      'unet: the noise prediction is not finite',
      'line 3 differs from the original list',
      'f'.repeat(64),
      '0'.repeat(64),
      'node 20.20.2',
      'Starting noise: equal for all methods',
      'Every score read every prompt whole.',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('leaves out images beyond the limit and says how many; each category keeps some', async () => {
    const all = await writeReport(lean, { out: join(folder, 'all') });
    expect(await readFile(all.page, 'utf8')).not.toContain('left out, because');
    const bytes = [...html.matchAll(/data:image\/webp[^"]*/g)].reduce((sum, [uri]) => sum + uri.length, 0);
    const few = await writeReport(lean, { out: join(folder, 'few'), pictureBytes: 0.75 * bytes });
    const text = await readFile(few.page, 'utf8');
    const shown = [...text.matchAll(/data:image\/webp[^"]*/g)].reduce((sum, [uri]) => sum + uri.length, 0);
    expect(shown).toBeLessThanOrEqual(0.75 * bytes);
    expect(shown).toBeGreaterThan(0.4 * bytes);
    expect(text).toMatch(/<b>[1-7] of 8 prompts are left out<\/b>/);
    const none = await readFile(
      (await writeReport(lean, { out: join(folder, 'none'), pictureBytes: 0 })).page,
      'utf8',
    );
    expect(none).not.toContain('data:image');
    expect(none).toContain('<b>8 of 8 prompts are left out</b>');
    expect(none).toMatch(/The images of \d+ changes are left out/);
  });
});

it('a fair order takes one of each group in turn', () => {
  expect(fairOrder(['a', 'a', 'a', 'b', 'c', 'b'])).toEqual([0, 3, 4, 1, 5, 2]);
});

it('has a report before anything is run', async () => {
  const empty = { ...lean, cells: lean.cells.map(({ record: _, ...planned }) => planned) };
  const text = await readFile((await writeReport(empty, { out: join(folder, 'empty') })).page, 'utf8');
  expect(text).toContain('There is no answer yet');
  expect(text).toContain('48 of 48 images are not made yet.');
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
});
