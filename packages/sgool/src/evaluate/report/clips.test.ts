/** @file The report of an evaluation of clips. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createImage } from '../../image/image.ts';
import { encodeApng } from '../../image/video/apng.ts';
import { readVideo } from '../../image/video/read-video.ts';
import { cellPaths, type Evaluation } from '../cells/run-folder.ts';
import { createStudy } from '../study/create-study.ts';
import { fakeEvaluation } from '../testing.ts';
import { summarise } from './summarise.ts';
import { writeReport } from './write-report.ts';

let folder = '';
let clips: Evaluation;
let page: ReturnType<typeof parseHTML>['document'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-clip-report-'));
  const fake = await fakeEvaluation(join(folder, 'fake'), { prompts: 3, seeds: 1 });
  const frames = [0, 120, 240].map((red) => createImage(320, 160, [red, 0, 0]));
  const box = { left: 10, top: 10, width: 100, height: 100, mass: 1 };
  const clip = { frames: 3, fps: 12, regions: [[box], [], [box]] };
  for (const { id } of fake.cells)
    await writeFile(cellPaths(fake.folder, id).image, encodeApng({ frames, fps: 12 }));
  const { manifest } = fake;
  const [judge] = manifest.scores.filter(({ name }) => name === 'judge');
  const motion = { ...judge, name: 'frames:motion', title: 'motion', isMerit: false };
  clips = {
    ...fake,
    manifest: {
      ...manifest,
      methods: manifest.methods.map((method) => ({ ...method, settings: { ...method.settings, frames: 3 } })),
      scores: [judge, motion],
    },
    cells: fake.cells.map((cell, i) =>
      cell.record?.status === 'done'
        ? {
            ...cell,
            record: { ...cell.record, clip, scores: { ...cell.record.scores, 'frames:motion': i % 3 } },
          }
        : cell,
    ),
  };
  const report = await writeReport(clips);
  page = parseHTML(await readFile(report.page, 'utf8')).document;
});
afterAll(() => rm(folder, { recursive: true }));

const bytesOf = (uri: string | null) =>
  Buffer.from((uri ?? '').replace(/^data:image\/webp;base64,/, ''), 'base64');

it('shows each clip playing, and a still sheet of its frames', async () => {
  const figures = [...page.querySelectorAll('.rows figure')];
  expect(figures).toHaveLength(9);
  const [moving, sheet] = [...figures[0].querySelectorAll('img')];
  const { data: file, path } = {
    data: bytesOf(moving.getAttribute('src')),
    path: join(folder, 'shown.webp'),
  };
  await writeFile(path, file);
  const shown = await readVideo(path);
  expect([shown.frames.length, shown.fps, shown.frames[0].width, shown.frames[0].height]).toEqual([
    3, 12, 160, 80,
  ]);
  expect(page.querySelector('nav')?.textContent).toMatch(/\bClips\b/);
  const { pages = 1, width = 0 } = await sharp(bytesOf(sheet.getAttribute('src'))).metadata();
  expect(pages).toBe(1);
  // Three frames of 72 pixels in a row.
  expect(width).toBeGreaterThan(3 * 72);
  expect(width).toBeLessThan(4 * 72);
  expect(sheet.getAttribute('alt')).toMatch(/, frame by frame$/);
});

it('shows motion beside the merits, and calls no method best or better by it', () => {
  expect(page.querySelector('#summary ~ details[open]')?.textContent).toMatch(/motion/);
  expect(page.body.textContent).toContain('no merit by itself');
  const summary = summarise(clips);
  expect(summary.isOfClips).toBe(true);
  expect(summary.best.map(({ score }) => score)).toEqual(['judge']);
  const outcomes = summary.comparisons.flatMap(({ score, outcome }) =>
    score === 'frames:motion' ? outcome : [],
  );
  expect(outcomes.every((outcome) => ['higher', 'lower', 'not told apart'].includes(outcome))).toBe(true);
  expect(summary.judges).toEqual(['judge']);
  expect(() => summarise(clips, { judge: 'frames:motion' })).toThrow(
    '--judge: frames:motion describes images and is no merit, so it cannot judge',
  );
});

it('is no ground for a study, which shows pictures', async () => {
  const options = { name: 'mine', title: 'Mine', seed: 1 } as Parameters<typeof createStudy>[1];
  await expect(createStudy(clips, options)).rejects.toThrow(
    `${clips.folder}: it has clips, and a study shows pictures; take an evaluation without --motion`,
  );
});

it('calls what is no merit higher or lower', async () => {
  const many = await fakeEvaluation(join(folder, 'many'), { prompts: 12, seeds: 1 });
  const { manifest } = many;
  const scores = manifest.scores.map((score) => ({ ...score, isMerit: false }));
  const { comparisons, best } = summarise({ ...many, manifest: { ...manifest, scores } });
  expect(new Set(comparisons.map(({ outcome }) => outcome))).toContain('higher');
  expect(comparisons.some(({ outcome }) => outcome === 'better')).toBe(false);
  expect(best).toEqual([]);
});
