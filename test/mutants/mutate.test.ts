import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { EQUIVALENT } from './equivalent/index.ts';
import { mutate } from './mutate.ts';

const root = join(import.meta.dirname, '../..');

/** Runs a source with one of its mutants on; 0 for none. */
function run(source: string, on: number): unknown {
  const { code } = mutate('x.ts', source);
  const { outputText } = ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022 } });
  let ticks = 0;
  const tick = () => {
    if (++ticks > 1000) throw new Error('the mutant does not end');
  };
  return new Function('$mutant', '$tick', outputText)((id: number) => id === on, tick);
}

const changesOf = (source: string) => mutate('x.ts', source).mutants.map(({ change }) => change);

describe('mutate', () => {
  it.each([
    ['a + b', ['a + b -> a - b']],
    ['a * b', ['a * b -> a / b']],
    ['a < b', ['a < b -> a <= b', 'a < b -> a >= b']],
    ['a >= b', ['a >= b -> a > b', 'a >= b -> a < b']],
    ['a === b', ['a === b -> a !== b']],
    ['a && b', ['a && b -> a || b']],
    ['a ?? b', ['a ?? b -> a', 'a ?? b -> b']],
    ['!a', ['!a -> a']],
    ['-a', ['-a -> a']],
    ['true', ['true -> false']],
    ['7', ['7 -> (7 + 1)', '7 -> 0']],
    ['0', ['0 -> 1']],
    ['8n', ['8n -> (8n + 1n)']],
    ['Math.min(a, b)', ['Math.min(a, b) -> Math.max(a, b)']],
    ['list.some(f)', ['list.some(f) -> list.every(f)']],
    ['a ? b : c', ['a -> true', 'a -> false']],
    ["('text' + a) + b", []],
    ["'text'", []],
    ['a.toString()', []],
  ])('%s', (expression, changes) => {
    expect(changesOf(`export const x = ${expression};`)).toEqual(changes);
  });

  it.each([
    ['f();', ['f(); -> nothing']],
    [
      "if (a) throw new RangeError('1 ' + 2);",
      ['a -> true', 'a -> false', "throw new RangeError('1 ' + 2); -> nothing"],
    ],
    ['for (const x of list) continue;', ['continue; -> nothing']],
    ['type A = 1 | 2;', []],
    ["import { a } from './a.ts';", []],
  ])('%s', (statement, changes) => {
    expect(changesOf(statement)).toEqual(changes);
  });

  it('does nothing while no mutant is on, and one change for each that is', () => {
    const source = `
      const list = [3, 1, 2];
      let most = -1;
      for (let i = 0; i < list.length; i++) if (list[i] > most) most = list[i];
      return [most, list?.map((x) => x * 2).length ?? 0, list[0] as number];`;
    expect(run(source, 0)).toEqual([3, 3, 3]);
    const { mutants } = mutate('x.ts', source);
    expect(mutants.length).toBeGreaterThan(15);
    const results = mutants.map(({ id }) => {
      try {
        return JSON.stringify(run(source, id));
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(results[mutants.findIndex(({ change }) => change === 'list[i] > most -> list[i] <= most')]).toBe(
      '[-1,3,3]',
    );
    expect(results).toContain('the mutant does not end');
    expect(new Set(results).size).toBeGreaterThan(4);
  });

  it('tells equal changes in equal lines apart', () => {
    const { mutants } = mutate('x.ts', 'export const a = 1;\nexport const b = [0, 0];\nexport const a2 = 1;');
    expect(mutants.filter(({ change }) => change === '0 -> 1').map(({ nth }) => nth)).toEqual([0, 1]);
    expect(mutants[0]).toMatchObject({ id: 1, line: 1, text: 'export const a = 1;' });
  });
});

it.each(EQUIVALENT.map(({ file, mutants }) => ({ file, mutants })))(
  'equivalent mutants of $file exist',
  ({ file, mutants }) => {
    const path = `packages/sgool/src/${file}`;
    const known = new Set(
      mutate(path, readFileSync(join(root, path), 'utf8')).mutants.map(
        ({ text, change, nth }) => `${text} | ${change} | ${nth}`,
      ),
    );
    expect(mutants.filter((mutant) => !known.has(mutant.join(' | ')))).toEqual([]);
  },
);
