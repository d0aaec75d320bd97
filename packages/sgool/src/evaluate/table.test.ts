import { expect, it } from 'vitest';
import { markdownTable, percent, replaceBetween, signed } from './table.ts';

it('aligns the columns of a table', () => {
  const rows = [
    ['a', '1'],
    ['longer', '12345678'],
  ];
  expect(markdownTable(['name', 'value'], rows).split('\n')).toEqual([
    '| name   |    value |',
    '| ------ | -------: |',
    '| a      |        1 |',
    '| longer | 12345678 |',
  ]);
});

it('writes signs and shares', () => {
  expect([signed(0.25, 1), signed(-0.25, 2), signed(0, 0)]).toEqual(['+0.3', '-0.25', '+0']);
  expect([percent(0.5), percent(0.12345, 2)]).toEqual(['50.0%', '12.35%']);
});

it('replaces what is between two markers, and nothing else', () => {
  expect(replaceBetween('a <b>old</b> c', ['<b>', '</b>'], 'new')).toBe('a <b>\nnew\n</b> c');
  expect(() => replaceBetween('a </b> <b>', ['<b>', '</b>'], 'new')).toThrow('the text has no <b> ... </b>');
});
