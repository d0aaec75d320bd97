import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findSnapshot, isCommit, listCachedModels, modelCacheDir, modelPath } from './cache.ts';

const [A, B] = ['a'.repeat(40), 'b'.repeat(40)];
let dir: string;
let model: string;
const env = () => ({ HF_HUB_CACHE: dir });
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-cache-'));
  model = join(dir, 'models--org--name');
});
afterEach(() => rmSync(dir, { recursive: true }));
const write = (path: string, text = '') => {
  mkdirSync(dirname(join(model, path)), { recursive: true });
  writeFileSync(join(model, path), text);
};

it('tells commits from branches', () => {
  expect([A, 'main', A.slice(1), `${A}a`, A.toUpperCase()].map(isCommit)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});

it('has a folder for each model', () => {
  expect(modelCacheDir('org/name', env())).toBe(model);
});

describe('a snapshot', () => {
  const snapshot = (commit: string) => ({ id: 'org/name', commit, dir: join(model, 'snapshots', commit) });

  it('is found by its commit, a branch, or main', () => {
    write(`snapshots/${A}/x`);
    write(`snapshots/${B}/x`);
    write('refs/main', `${A}\n`);
    write('refs/dev', B);
    expect(findSnapshot('org/name', A, env())).toEqual(snapshot(A));
    expect(findSnapshot('org/name', undefined, env())).toEqual(snapshot(A));
    expect(findSnapshot('org/name', 'dev', env())).toEqual(snapshot(B));
    expect(findSnapshot('org/name', 'other', env())).toBeUndefined();
    expect(findSnapshot('org/name', 'c'.repeat(40), env())).toBeUndefined();
    write('refs/main', 'no commit');
    expect(findSnapshot('org/name', undefined, env())).toBeUndefined();
  });

  it('is meant where it is the only one', () => {
    expect(findSnapshot('org/name', undefined, env())).toBeUndefined();
    write(`snapshots/${A}/x`);
    write('snapshots/no-commit/x');
    expect(findSnapshot('org/name', undefined, env())).toEqual(snapshot(A));
    expect(findSnapshot('org/name', 'main', env())).toBeUndefined();
    write(`snapshots/${B}/x`);
    expect(findSnapshot('org/name', undefined, env())).toBeUndefined();
  });

  it.each([
    [['model.ckpt'], 'model.ckpt'],
    [['model.safetensors', 'readme.md'], 'model.safetensors'],
    [['model.pt'], 'model.pt'],
    [['model.pth'], 'model.pth'],
    [['a.ckpt', 'b.ckpt'], ''],
    [['readme.md'], ''],
    [['model.ckpt', 'model_index.json'], ''],
    [['model.ckpt', 'config.json'], ''],
  ])('of %j is %j', (names, file) => {
    for (const name of names) write(`snapshots/${A}/${name}`);
    expect(modelPath(snapshot(A))).toBe(join(model, 'snapshots', A, file));
  });
});

it('lists snapshots with their branches, files and sizes', () => {
  write(`snapshots/${A}/x`, '12345');
  write(`snapshots/${A}/unet/deep/y`, '678');
  write(`snapshots/${B}/x`, '1');
  write('refs/main', A);
  write('refs/pr/1', A);
  write('refs/dev', B);
  symlinkSync('nowhere', join(model, 'snapshots', A, 'gone'));
  symlinkSync('..', join(model, 'snapshots', A, 'circle'));
  mkdirSync(join(dir, 'datasets--org--name'));
  mkdirSync(join(dir, 'models--alone'));
  const place = (commit: string) => ({ id: 'org/name', commit, dir: join(model, 'snapshots', commit) });
  const byCommit = listCachedModels(env()).toSorted((a, b) => (a.commit < b.commit ? -1 : 1));
  expect(
    byCommit.map((found) => ({ ...found, files: found.files.toSorted(), refs: found.refs.toSorted() })),
  ).toEqual([
    { ...place(A), refs: ['main', 'pr/1'], files: ['unet/deep/y', 'x'], bytes: 8 },
    { ...place(B), refs: ['dev'], files: ['x'], bytes: 1 },
  ]);
});
