import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { planCells } from './plan.ts';
import { runCell } from './run-cell.ts';
import { cellPaths, readRecord } from './run-folder.ts';
import { fakeManifest, fakeRunner } from './testing.ts';
import { removeRecord, writeCell, writeRecord } from './write-cell.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-write-cell-'));
});
afterAll(() => rm(folder, { recursive: true }));

const [first, second] = planCells(fakeManifest());

it('writes what is read again, seeds beyond 2^53 included', async () => {
  const cell = { ...first.cell, seed: 2n ** 64n - 1n };
  const made = await runCell(fakeRunner(), { id: first.id, cell });
  await writeCell(folder, made);
  expect(await readRecord(folder, first.id)).toEqual(made.record);
  expect(await readdir(dirname(cellPaths(folder, first.id).image))).toEqual([
    `${first.id}.json`,
    `${first.id}.png`,
  ]);
  await removeRecord(folder, first.id);
  expect(await readRecord(folder, first.id)).toBeUndefined();
});

it('says in one line which folder it cannot make', async () => {
  const { record } = cellPaths(folder, second.id);
  await writeFile(dirname(record), 'a file');
  const made = await runCell(fakeRunner(), second);
  await expect(writeRecord(folder, made.record)).rejects.toThrow(
    /^cannot make the folder .*: a file of that name is in the way/,
  );
});
