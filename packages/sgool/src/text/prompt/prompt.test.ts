import { expect, it } from 'vitest';
import { hasSyntax, parsePrompt, stageAt } from './prompt.ts';

const textsOf = (prompt: string, steps = 10) =>
  parsePrompt(prompt, 'a1111', steps).stages.map(({ until, parts }) => [
    until,
    parts.map((part) => (part === 'break' ? 'BREAK' : part.text)).join('|'),
  ]);

// What the web UI documents of its own parser.
it.each([
  ['test', [[10, 'test']]],
  [
    'a [b:3]',
    [
      [3, 'a '],
      [10, 'a b'],
    ],
  ],
  [
    'a [b: 3]',
    [
      [3, 'a '],
      [10, 'a b'],
    ],
  ],
  [
    '[(a:2):3]',
    [
      [3, ''],
      [10, 'a'],
    ],
  ],
  [
    'a [b : c : 1] d',
    [
      [1, 'a b  d'],
      [10, 'a  c  d'],
    ],
  ],
  [
    'a[b:[c:d:2]:1]e',
    [
      [1, 'abe'],
      [2, 'ace'],
      [10, 'ade'],
    ],
  ],
  ['a [unbalanced', [[10, 'a |unbalanced']]],
  [
    'a [b:.5] c',
    [
      [5, 'a  c'],
      [10, 'a b c'],
    ],
  ],
  ['[a|b]', Array.from({ length: 10 }, (_, i) => [i + 1, 'ab'[i % 2]])],
] as const)('changes a prompt by step: %s', (prompt, stages) => {
  expect(textsOf(prompt)).toEqual(stages);
});

it('takes the stage of a step as the web UI does: the first step is 0', () => {
  const { stages } = parsePrompt('[a:b:0.5]', 'a1111', 4);
  expect([0, 1, 2, 3, 4].map((step) => stageAt(stages, step).until)).toEqual([2, 2, 2, 4, 4]);
});

it.each([
  ['a (red:1.3) [cat|dog] BREAK <lora:x:0.8> [night:0.5]', 'a red cat dog night'],
  ['[day:night:0.5] (((sky)))', 'night sky'],
  ['[sun::5] \\(sea\\)', 'sun (sea)'],
])('gives critics the text alone: %s', (prompt, text) => {
  expect(parsePrompt(prompt, 'a1111', 10).text).toBe(text);
});

it('names what is not supported', () => {
  const notes = (prompt: string) => parsePrompt(prompt, 'a1111', 10).notes;
  expect(notes('a cat, (red:1.2) - blue, e.g. 3.5 (boats)')).toEqual([]);
  expect(notes('a cat AND a dog')).toEqual([expect.stringContaining('composable diffusion')]);
  for (const compel of ['a (red)1.3 cat', 'a red++ cat', '(a cat)-- b', '("a", "b").blend(1, 1)']) {
    expect(notes(compel), compel).toEqual([expect.stringContaining('--prompt-syntax compel')]);
  }
  expect(() => parsePrompt('(red:1.2.3)', 'a1111', 1)).toThrow(/"1\.2\.3" is not a number/);
});

it('stays fast on hostile prompts', () => {
  for (const prompt of ['['.repeat(10_000), '[a|'.repeat(3000), '(a:'.repeat(3000), '[[a:b:'.repeat(1500)]) {
    const started = performance.now();
    parsePrompt(prompt, 'a1111', 50);
    expect(performance.now() - started).toBeLessThan(2000);
  }
});

it('reads plain prompts as they are', () => {
  const parsed = parsePrompt('a (red:1.3) <lora:x:1>', 'plain', 10);
  expect(parsed.text).toBe('a (red:1.3) <lora:x:1>');
  expect(hasSyntax(parsed)).toBe(false);
});
