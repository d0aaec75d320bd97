import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import fixture from '../../../../../fixtures/data/prompts.json' with { type: 'json' };
import { UserError } from '../../errors.ts';
import { parseCompel } from './compel.ts';
import { parsePrompt } from './prompt.ts';

type Fragments = readonly (readonly [text: string, weight: number])[];
type Clause = readonly [
  weight: number,
  isNormalised: boolean,
  texts: readonly (readonly [number, Fragments])[],
];
interface Parsed {
  readonly clauses: readonly Clause[];
  readonly loras: readonly (readonly [string, number])[];
}

const EMPTY = [[1, true, [[1, [['', 1]]]]]];
const plainSpaces = (text: string) => text.replace(/\s/g, ' ');

/** Our parse in the form of the fixture. */
function ours(prompt: string) {
  const { clauses, networks } = parseCompel(prompt);
  return {
    clauses: clauses.map(({ weight, isNormalised, texts }) => [
      weight,
      isNormalised,
      texts.map(({ share, fragments }) => [
        share,
        fragments.map((each) => [plainSpaces(each.text), expect.closeTo(each.weight, 12)]),
      ]),
    ]),
    loras: networks.map(({ values: [name, weight = '1'] }) => [name, Number(weight)]),
  };
}

function theirs({ clauses, loras }: Parsed) {
  const all = clauses.map(([weight, isNormalised, texts]) => [
    weight,
    isNormalised,
    texts.map(([share, fragments]) => [share, fragments.map(([text, own]) => [plainSpaces(text), own])]),
  ]);
  // A prompt without a word is the empty prompt here; compel fails with it.
  return { clauses: all.length === 0 ? EMPTY : all, loras };
}

describe("compel's syntax", () => {
  it.each([...fixture.compel, ...fixture.compelParsed])(
    'is parsed as there: $prompt',
    ({ prompt, parsed }) => {
      if (parsed === null) expect(() => parseCompel(prompt)).toThrow(UserError);
      else expect(theirs(parsed as unknown as Parsed)).toEqual(ours(prompt));
    },
  );

  it.each([
    ['a.swap(b)', /a\.swap\(b\): \.swap\(\) needs cross-attention control/],
    ['("a", "b").blend(1)', /\.blend\(\) has 1 weights for 2 texts/],
    ['("a", "b").and(1, 2, 3)', /\.and\(\) has 3 weights for 2 texts/],
    ['("a", "b").blend(1, x)', /one number for each text, got x/],
    ['("a", "b").blend(1, x=2)', /one number for each text, got x with a value/],
    ['("a", "b").blend(1, -1)', /\.blend\(1, -1\) add up to 0/],
    ['("a", "b").blend(1, 1) more', /may follow \.blend\(\), got more/],
    ['("a", "withLora(x)").blend(1, 1)', /a text of \.blend\(\) is empty/],
    ['('.repeat(200), /nested more than 100 deep/],
  ])('refuses in one line: %s', (prompt, message) => {
    expect(() => parseCompel(prompt)).toThrow(message);
  });

  it('names what is left out, or taken for text', () => {
    const notes = (prompt: string) => parsePrompt(prompt, 'compel', 10).notes;
    expect(notes('a (red)1.3 cat, 3.5 [blue] dogs++')).toEqual([]);
    expect(notes('("a", "b").and() more')).toEqual([
      expect.stringMatching(/nothing behind \.and\(\).*: more/),
    ]);
    for (const a1111 of ['a (red:1.3)', '[a|b]', '[a:b:0.5]', 'a BREAK b']) {
      expect(notes(a1111), a1111).toEqual([expect.stringContaining('--prompt-syntax a1111')]);
    }
    expect(notes('(a (b, "c").blend(1, 1)')).toEqual([
      expect.stringContaining('.blend() in a prompt is read as text'),
    ]);
  });

  it.each([
    ['a (red)1.3 cat++ <lora:x:0.8> withLora(y, 0.5)', 'a red cat', ['x 0.8', 'y 0.5']],
    ['("a red cat", "a (blue)0 dog").blend(1, 2)', 'a red cat a blue dog', []],
    ['("a \\(cat\\)", "dog").and()', 'a (cat) dog', []],
  ])('gives critics the text alone, and LoRAs apart: %s', (prompt, text, loras) => {
    const parsed = parsePrompt(prompt, 'compel', 10);
    expect(parsed.text).toBe(text);
    expect(
      parsed.networks.map(({ kind, values }) => `${kind === 'lora' ? '' : kind}${values.join(' ')}`),
    ).toEqual(loras);
  });

  it('fails with one line or not at all, whatever the prompt, and at once', () => {
    const atoms = [
      'a',
      ' ',
      '(',
      ')',
      '"',
      '+',
      '-',
      '1.3',
      ',',
      '.',
      '\\',
      '=',
      '\n',
      '🐈',
      '(a',
      '("a", "b")',
    ];
    const operators = [
      '.blend(1, 1)',
      '.and()',
      '.swap(b)',
      '.attend(2)',
      'withLora(x, 1)',
      '<lora:',
      ':1.2)',
      'BREAK',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...atoms, ...operators), { maxLength: 60 }), (parts) => {
        for (const syntax of ['a1111', 'compel', 'plain'] as const) {
          try {
            parsePrompt(parts.join(''), syntax, 10);
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
            expect((error as Error).message).not.toContain('\n');
          }
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('stays fast on hostile prompts', () => {
    const nested = `${'(a '.repeat(90)}${')+ '.repeat(90)}`;
    const prompts = [
      nested,
      nested.repeat(20),
      '"'.repeat(5001),
      '\\"'.repeat(5000),
      '(a) '.repeat(5000),
      'word '.repeat(5000),
    ];
    for (const prompt of [
      ...prompts,
      `${'( '.repeat(90)}${'(a)+ '.repeat(3000)}`,
      '("a", '.repeat(90),
      'a.swap('.repeat(90),
    ]) {
      const started = performance.now();
      parseCompel(prompt);
      expect(performance.now() - started, prompt.slice(0, 20)).toBeLessThan(1000);
    }
  });
});
