import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeEvaluation } from '../testing.ts';
import { type Cell, canonicalJson, cellId } from './cell.ts';
import { cellPaths, readEvaluation, readRecord } from './run-folder.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-evaluation-'));
});
afterAll(() => rm(folder, { recursive: true }));

const cell: Cell = {
  method: 'sgool',
  settings: { steps: 10, sampler: 'ddim' },
  model: { name: 'toybox', hash: 'abc' },
  prompt: 'a red cat',
  negativePrompt: '',
  seed: 2n ** 64n - 1n,
};

describe('cells', () => {
  it('has an id that only what decides the image changes', () => {
    expect(cellId(cell)).toMatch(/^[0-9a-f]{64}$/);
    expect(cellId({ ...cell, settings: { sampler: 'ddim', steps: 10 } })).toBe(cellId(cell));
    expect(cellId({ ...cell, model: { ...cell.model, name: 'the same weights elsewhere' } })).toBe(
      cellId(cell),
    );
    const others: Partial<Cell>[] = [
      { method: 'doodl' },
      { settings: { steps: 11, sampler: 'ddim' } },
      { model: { name: 'toybox', hash: 'abd' } },
      { prompt: 'a red cat ' },
      { negativePrompt: 'blue' },
      { seed: 2n ** 64n - 2n },
    ];
    for (const other of others) expect(cellId({ ...cell, ...other })).not.toBe(cellId(cell));
  });

  it('sorts keys at every depth and keeps the order of lists', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }, 'x'], a: undefined })).toBe('{"b":[{"c":2,"d":1},"x"]}');
  });

  it('reads what a run left, in the order of the plan: all methods of a prompt and seed together', async () => {
    const { cells, manifest } = await fakeEvaluation(join(folder, 'a'), { prompts: 3, failed: ['2'] });
    expect(cells.map(({ prompt, seed, label }) => `${prompt}/${seed}/${label}`).slice(0, 7)).toEqual([
      '1/0/sd',
      '1/0/best-of',
      '1/0/sgool',
      '1/1/sd',
      '1/1/best-of',
      '1/1/sgool',
      '2/0/sd',
    ]);
    expect(cells).toHaveLength(3 * 2 * 3);
    expect(cells.filter(({ record }) => record?.status === 'failed')).toHaveLength(2);
    expect(manifest.reference).toBe('sd');
  });

  it('knows cells that were not run, and names files that it cannot read', async () => {
    const { folder: dir, cells } = await fakeEvaluation(join(folder, 'b'), { prompts: 2 });
    const { record } = cellPaths(dir, cells[0].id);
    const text = await readFile(record, 'utf8');
    await rm(record);
    expect(await readRecord(dir, cells[0].id)).toBeUndefined();
    expect((await readEvaluation(dir)).cells[0].record).toBeUndefined();
    await writeFile(record, text.slice(0, 40));
    await expect(readEvaluation(dir)).rejects.toThrow('not valid JSON');
    await writeFile(record, text.replace('"format":1', '"format":2'));
    await expect(readEvaluation(dir)).rejects.toThrow('a newer sgool wrote it (format 2)');
    await writeFile(record, text.replace('"status":"done"', '"status":"other"'));
    await expect(readEvaluation(dir)).rejects.toThrow('status');
    await expect(readEvaluation(join(folder, 'none'))).rejects.toThrow('is no evaluation');
  });
});
