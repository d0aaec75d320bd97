import { expect, it } from 'vitest';
import { checkFileNames, leadsOutside } from './file-names.ts';

const check =
  (...paths: string[]) =>
  () =>
    checkFileNames('a/b', paths);

it('parts of a path may have 255 bytes, a path 1024', () => {
  expect(check('n'.repeat(255))).not.toThrow();
  expect(check('n'.repeat(256))).toThrow('it is too long');
  // Two bytes each.
  expect(check('é'.repeat(127))).not.toThrow();
  expect(check('é'.repeat(128))).toThrow('it is too long');
  const parts = (last: number) => [...Array<string>(4).fill('n'.repeat(203)), 'n'.repeat(last)].join('/');
  expect(parts(208)).toHaveLength(1024);
  expect(check(parts(208))).not.toThrow();
  expect(check(parts(209))).toThrow('it is too long');
});

it.each(['/a', 'a//b', './a', 'a/..', 'a\\b', 'c:a', 'a\0', ''])('%j leads outside', (path) => {
  expect(leadsOutside(path)).toBe(true);
  expect(check(path)).toThrow('it leads out of the folder');
});

it.each([
  ['aux', 'a device'],
  ['x/COM1.txt', 'a device'],
  ['a.', 'a dot or a space'],
  ['a /b', 'a dot or a space'],
  ['a?b', 'not allowed'],
  ['a\u007f', 'not allowed'],
])('%j is no file on every system', (path, why) => {
  expect(leadsOutside(path)).toBe(false);
  expect(check(path)).toThrow(why);
});

it('two names of one file are refused, and a file that is a folder', () => {
  expect(check('unet/a', 'vae/a', 'unet/a')).not.toThrow();
  expect(check('a/Model.bin', 'a/model.bin')).toThrow('on some systems it is the same file as a/Model.bin');
  expect(check('\u00e9', 'e\u0301')).toThrow('the same file as');
  expect(check('a', 'a/b/c')).toThrow('it is in a folder that is a file as well');
  expect(check('a/b', 'a/b/c')).toThrow('"a/b/c"');
});
