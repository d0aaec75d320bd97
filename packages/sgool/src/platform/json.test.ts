import { describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { MAX_DEPTH, parseJson, parseJsonObject } from './json.ts';

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

describe('parseJson', () => {
  it.each([
    '{"a": {"b": 1}, "c": {"b": 2}, "d": [{"b": 3}, {"b": 4}]}',
    '{"\\"a\\": {": "a\\\\", "b": "\\\\\\"", "[[[": "{{{"}',
    '[]',
    '"a"',
    '1e999',
    ' {"a" \n : 1} ',
    nested(MAX_DEPTH),
  ])('reads what JSON.parse reads: %s', (text) => {
    expect(parseJson(text, 'x')).toEqual(JSON.parse(text));
    expect(parseJson(`\ufeff${text}`, 'x')).toEqual(JSON.parse(text));
  });

  it.each([
    ['a deep bomb', nested(100_000), 'x: its JSON is nested more than 100 levels deep'],
    ['one level too deep', nested(MAX_DEPTH + 1), 'x: its JSON is nested more than 100 levels deep'],
    ['deep objects', '{"a":'.repeat(100_000), 'x: its JSON is nested more than 100 levels deep'],
    ['a key twice', '{"a": 1, "b": {"c": 1}, "a": 2}', 'x: the key "a" is there twice'],
    ['a key twice, written in two ways', '{"a": 1, "\\u0061": 2}', 'x: the key "a" is there twice'],
    ['a key twice inside', '[{"b": {"c": 1, "c": 1}}]', 'x: the key "c" is there twice'],
    ['a prototype', '{"a": {"__proto__": {"b": 1}}}', 'x: the key __proto__ is refused'],
    ['a prototype in disguise', '{"\\u005f_proto__": {"b": 1}}', 'x: the key __proto__ is refused'],
    ['no JSON', '{"a": ', 'x: not valid JSON'],
    ['nothing', '', 'x: not valid JSON'],
    ['an open string', '{"a', 'x: not valid JSON'],
    ['an open escape', '"\\', 'x: not valid JSON'],
    ['a broken key', '{"\\q": 1}', 'x: not valid JSON'],
    ['too many brackets', ']]]]}}}}', 'x: not valid JSON'],
  ])('refuses %s in one line', (_, text, message) => {
    expect(() => parseJson(text, 'x')).toThrow(UserError);
    expect(() => parseJson(text, 'x')).toThrow(message);
  });

  it('lets names be anything in a vocabulary, and touches no prototype', () => {
    const value = parseJson('{"__proto__": 5, "a": 1, "a": 2}', 'x', 'any') as Record<string, unknown>;
    expect(Object.entries(value)).toEqual([
      ['__proto__', 5],
      ['a', 2],
    ]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(() => parseJson(nested(100_000), 'x', 'any')).toThrow('nested');
  });

  it('takes a text of any kind in time that grows with its length', () => {
    for (const part of ['"', '\\', '{', '[', ':', '"a":', '{"a":1},', '\\"']) {
      const started = performance.now();
      expect(() => parseJson(part.repeat(300_000), 'x')).toThrow(UserError);
      expect(performance.now() - started).toBeLessThan(5000);
    }
  });
});

it('parseJsonObject wants an object', () => {
  expect(parseJsonObject('{"a": 1}', 'x')).toEqual({ a: 1 });
  for (const text of ['[]', 'null', '1', '"a"', 'true']) {
    expect(() => parseJsonObject(text, 'x')).toThrow(`x: must hold a JSON object, got ${text}`);
  }
});
