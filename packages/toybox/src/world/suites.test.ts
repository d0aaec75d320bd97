import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { suiteFile } from '../paths.ts';
import { WORDS } from './describe.ts';
import { MOVE_WORDS } from './describe-moves.ts';
import { promptSet } from './prompt-sets.ts';
import { SUITES, suiteText, toyboxSuites } from './suites.ts';

const suites = toyboxSuites();

it.each(SUITES)('the committed file of %s is what this makes', async (name) => {
  expect(await readFile(suiteFile(name), 'utf8')).toBe(suiteText(suites[name]));
});

it('uses the words that the model knows, and no prompt on which defaults were chosen before', () => {
  const all = SUITES.flatMap((name) => suites[name]);
  const words = new Set(all.flatMap(({ text }) => text.match(/[a-z]+/g) ?? []));
  expect([...words].filter((word) => ![...WORDS, ...MOVE_WORDS].includes(word))).toEqual([]);
  const before = new Set(
    (['ablation', 'cost'] as const).flatMap((name) => promptSet(name, 100)).map(({ text }) => text),
  );
  expect(all.filter(({ text }) => before.has(text))).toEqual([]);
  expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
});
