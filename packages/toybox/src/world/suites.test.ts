import { readFile } from 'node:fs/promises';
import { RELATIONS } from 'sgool/evaluate';
import { expect, it } from 'vitest';
import { suiteFile } from '../paths.ts';
import { WORDS } from './describe.ts';
import { FLOW_WORDS, MOST_WORDS } from './describe-counted.ts';
import { MOVE_WORDS } from './describe-moves.ts';
import { suiteText } from './draw-suites.ts';
import { FLOW_SUITES, flowSuites } from './flow-suites.ts';
import { promptSet } from './prompt-sets.ts';
import { isHeldOutOfFlow } from './split.ts';
import { SUITES, toyboxSuites } from './suites.ts';

const suites = { ...toyboxSuites(), ...flowSuites() };

it.each([...SUITES, ...FLOW_SUITES])('the committed file of %s is what this makes', async (name) => {
  expect(await readFile(suiteFile(name), 'utf8')).toBe(suiteText(suites[name]));
});

it.each([
  ['Toybox', SUITES, [...WORDS, ...MOVE_WORDS]],
  ['toybox-flow', FLOW_SUITES, FLOW_WORDS],
] as const)(
  'those of %s use words that the model knows, and no prompt on which defaults were chosen',
  (_, names, known) => {
    const all = names.flatMap((name) => suites[name]);
    const words = new Set(all.flatMap(({ text }) => text.match(/[a-z]+/g) ?? []));
    expect([...words].filter((word) => !known.includes(word))).toEqual([]);
    const before = new Set(
      (['ablation', 'cost'] as const).flatMap((name) => promptSet(name, 100)).map(({ text }) => text),
    );
    expect(all.filter(({ text }) => before.has(text))).toEqual([]);
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
  },
);

it('those of toybox-flow ask for what no training shows, each number and each relation alike', () => {
  for (const name of FLOW_SUITES) {
    const groups = new Map<string, number>();
    for (const { text, category = '', readings = [] } of suites[name]) {
      groups.set(category, (groups.get(category) ?? 0) + 1);
      expect(text.match(/[a-z]+|[^a-z\s]/g)?.length, text).toBeLessThanOrEqual(MOST_WORDS);
      expect(readings, text).toHaveLength(1);
      const things = readings[0].flatMap((clause) => {
        if (clause.claim !== 'present' && clause.claim !== 'count') return [];
        const { kind, colour } = clause;
        if (colour === undefined) throw new Error(`${text}: a thing without a colour`);
        expect(text).toContain(`${colour} ${kind}`);
        return Array.from({ length: clause.claim === 'count' ? clause.number : 1 }, () => ({ kind, colour }));
      });
      // Training shows every thing by itself.
      if (things.length > 1) expect(isHeldOutOfFlow(things), text).toBe(true);
      const [number] = category.match(/(?<=^count )\d$/) ?? [];
      if (number !== undefined)
        expect(readings[0][0], text).toMatchObject({ claim: 'count', number: Number(number) });
    }
    expect(Object.fromEntries(groups)).toEqual({
      'one thing': 20,
      'two things': 60,
      ...Object.fromEntries([1, 2, 3, 4].map((number) => [`count ${number}`, 20])),
      ...Object.fromEntries(RELATIONS.map((relation) => [relation, 16])),
    });
  }
});
