import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DEFAULT_MODEL,
  listModels,
  packagedPath,
  resolveModel,
  resolveMotionAdapter,
} from './locate-model.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-locate-'));
});
afterAll(() => rmSync(dir, { recursive: true }));
const env = () => ({ HF_HUB_CACHE: join(dir, 'hub') });

it('finds the packaged models by their names, and the default one where no name is given', () => {
  const found = { name: DEFAULT_MODEL, dir: packagedPath(DEFAULT_MODEL) };
  expect(found.dir).toMatch(/toybox-models.toybox$/);
  expect(packagedPath('a', 'b')).toMatch(/toybox-models.a.b$/);
  expect(resolveModel(DEFAULT_MODEL)).toEqual(found);
  expect(resolveModel()).toEqual(found);
  expect(listModels()[0]).toEqual(found);
});

it('lists toybox-flow where its weights are installed, and else says that they are not', () => {
  const flow = { name: 'toybox-flow', dir: packagedPath('toybox-flow') };
  if (existsSync(join(String(flow.dir), 'model_index.json'))) {
    expect(resolveModel('toybox-flow')).toEqual(flow);
    expect(listModels()).toContainEqual(flow);
  } else {
    expect(() => resolveModel('toybox-flow')).toThrow(
      `model: toybox-flow has no weights yet, expected them in ${flow.dir}`,
    );
    expect(listModels()).toHaveLength(1);
  }
});

it('finds the packaged motion adapter by its name, and others as models', () => {
  expect(resolveMotionAdapter('toybox-motion')).toEqual({
    name: 'toybox-motion',
    dir: packagedPath('toybox-motion'),
  });
  expect(resolveMotionAdapter(dir)).toEqual({ name: dir, dir });
  expect(() => resolveModel('toybox-motion')).toThrow('model: unknown, got toybox-motion');
});

it('finds a folder by its path', () => {
  expect(resolveModel(dir)).toEqual({ name: dir, dir });
});

it('says of a model of the Hub how to fetch it', () => {
  expect(() => resolveModel('some/model', env())).toThrow(
    `model: some/model is neither a folder nor in the cache ${join(dir, 'hub')}; fetch it with: sgool models pull some/model`,
  );
});

it('finds a model of the Hub in the cache', () => {
  const snapshot = join(dir, 'hub/models--some--model/snapshots', 'a'.repeat(40));
  mkdirSync(snapshot, { recursive: true });
  expect(resolveModel(`some/model@${'a'.repeat(40)}`, env()).name).toBe(`some/model@${'a'.repeat(40)}`);
});

it('says of what is nothing what would be right', () => {
  const names = listModels()
    .map(({ name }) => name)
    .join(', ');
  expect(() => resolveModel('no.ckpt')).toThrow('model: the file no.ckpt does not exist');
  expect(() => resolveModel('nothing')).toThrow(
    `model: unknown, got nothing; choose one of ${names}, the path of a folder in the diffusers layout or of a .ckpt,`,
  );
});
