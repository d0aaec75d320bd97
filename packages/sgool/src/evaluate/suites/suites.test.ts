import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOVES } from '../../networks/judge/moves.ts';
import { KNOWN_SUITES, type KnownSuite, knownSuite } from './known-suites.ts';
import { openSuite, SUITE_NAMES } from './open-suite.ts';
import { ownSuite } from './own-suites.ts';
import { fetchSuite } from './pull-suite.ts';
import { findKnown, removeSuite, storedSuite, storeSuite } from './stored-suites.ts';
import { type SuiteFormat, suiteHash, suitePrompts } from './suite-text.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-suites-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('suitePrompts', () => {
  const forms: readonly [SuiteFormat, string, unknown][] = [
    ['txt', 'a red cat\n"two" boats, one star\n', ['a red cat', '"two" boats, one star']],
    ['txt', '\ufeffa red cat\r\na boat', ['a red cat', 'a boat']],
    [
      'csv',
      'id,Prompt,category\n7,"a red cat, and ""a boat""",Colors\n8, a star ,\n',
      [
        { id: '7', text: 'a red cat, and "a boat"', category: 'Colors' },
        { id: '8', text: 'a star' },
      ],
    ],
    // As PartiPrompts is published: quotation marks are characters.
    [
      'tsv',
      'Prompt\tCategory\na sign that says "no\tWords\n',
      [{ id: '1', text: 'a sign that says "no', category: 'Words' }],
    ],
    [
      'jsonl',
      '{"prompt":"a cat","tag":"one"}\n\n{"prompt":"a dog","tag":"two"}\n',
      [
        { id: '1', text: 'a cat', category: 'one' },
        { id: '2', text: 'a dog', category: 'two' },
      ],
    ],
    ['json', '[{"id":"x-1","prompt":"a cat"}]', [{ id: 'x-1', text: 'a cat' }]],
    [
      'json',
      '{"animals":["a cat"],"objects":["a cup"]}',
      [
        { id: '1', text: 'a cat', category: 'animals' },
        { id: '2', text: 'a cup', category: 'objects' },
      ],
    ],
    [
      'python',
      'A: str = "one_two"\nX = {\n  "a \\"cat\\"": A,  # 1\n  "a dog": B,\n}\n',
      [
        { id: '1', text: 'a "cat"', category: 'one_two' },
        { id: '2', text: 'a dog', category: 'b' },
      ],
    ],
    [
      'python',
      'tags = ["x"]\nP = [\n  "a cat that "\n  "sleeps",\n  "a dog",\n]\n',
      [
        { id: '1', text: 'a cat that sleeps' },
        { id: '2', text: 'a dog' },
      ],
    ],
  ];
  it.each(forms)('reads %s %j', (format, text, expected) => {
    const wanted = (expected as (string | object)[]).map((one, i) =>
      typeof one === 'string' ? { id: String(i + 1), text: one } : one,
    );
    expect(suitePrompts(text, format, 'file')).toEqual(wanted);
  });

  const broken: readonly [SuiteFormat, string, string][] = [
    ['txt', '', 'file: holds no prompt'],
    ['txt', 'a cat\n\na dog\n', 'file: line 2: the prompt (prompt) is empty; remove the line'],
    ['txt', 'x'.repeat(10_001), 'has 10001 characters, the most are 10000'],
    ['csv', 'words\na cat\n', 'file: has no column with prompts, got words; call it prompt'],
    ['csv', 'prompt\n"a cat\n', 'file: is no table'],
    ['csv', 'id,prompt\n1,a cat\n1,a dog\n', 'file: line 3: the id 1 is that of line 2'],
    ['jsonl', '{"prompt":"a cat"}\n{', 'file: line 2: not valid JSON'],
    ['jsonl', '7\n', 'file: line 1: must be an object with a prompt'],
    [
      'jsonl',
      '{"prompt":"a","readings":[[{"claim":"present","kind":"dragon"}]]}',
      'line 1: readings.0.0.kind',
    ],
    ['json', '{"animals":3}', 'file: animals must be a list of prompts'],
    ['python', 'print("hello")', 'file: holds no list of texts'],
  ];
  it.each(broken.map(([format, text, message]) => [format, message, text] as const))(
    'refuses %s: %s',
    (format, message, text) => {
      expect(() => suitePrompts(text, format, 'file')).toThrow(message);
    },
  );

  it('hashes everything that decides what is run and how it is judged', () => {
    const prompt = {
      id: '1',
      text: 'a cat',
      category: 'x',
      readings: [[{ claim: 'present' as const, kind: 'cat' as const }]],
    };
    const hash = suiteHash([prompt]);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const others = [
      { ...prompt, id: '2' },
      { ...prompt, text: 'a dog' },
      { ...prompt, category: 'y' },
      { ...prompt, readings: [] },
    ];
    for (const other of others) expect(suiteHash([other])).not.toBe(hash);
    const { text, id } = prompt;
    expect(
      suiteHash([
        { id, text },
        { id: '2', text },
      ]),
    ).not.toBe(
      suiteHash([
        { id: '2', text },
        { id, text },
      ]),
    );
  });
});

describe('known suites', () => {
  const small: KnownSuite = {
    name: 'drawbench',
    title: 'a small one',
    origin: 'made for tests',
    licence: 'none',
    count: 3,
    sha256: suiteHash([
      { id: '1', text: 'a cat', category: 'A' },
      { id: '3', text: 'a dog', category: 'B' },
    ]),
    forms: [{ 'a.txt': { url: 'https://example.org/a.txt', format: 'txt' } }, { 'a.csv': { format: 'csv' } }],
    ranges: { A: 1, B: 3 },
    altered: [{ id: '2', text: 'skittles', defect: 'prompt 2 was changed' }],
  };

  it('gives one hash in every form, and names what a copy has changed', () => {
    const lines = knownSuite(small, [{ name: 'mine.txt', text: 'a cat\nsome skittles\na dog\n' }]);
    const table = knownSuite(small, [
      { name: 'a.csv', text: 'prompt,category\na cat,A \na boat,A\na dog,B\n' },
    ]);
    expect(lines.defects).toEqual(['prompt 2 was changed']);
    expect(table.defects).toEqual([]);
    expect(lines.prompts.map(({ category }) => category)).toEqual(['A', 'A', 'B']);
    expect(lines.sha256).not.toBe(table.sha256);
  });

  it('refuses another number of prompts, other prompts, and files of another form', () => {
    expect(() => knownSuite(small, [{ name: 'a.txt', text: 'a cat\n' }])).toThrow(
      'has 3 prompts, the file holds 1',
    );
    expect(() => knownSuite(small, [{ name: 'a.txt', text: 'a cat\nx\na wolf\n' }])).toThrow(
      'are not those of the list',
    );
    expect(() => knownSuite(small, [{ name: 'a.json', text: '["a"]' }])).toThrow(
      'needs a.txt; or a.csv; got a.json',
    );
    const counted: KnownSuite = { ...small, sha256: undefined, categories: { A: 1 } };
    expect(() => knownSuite(counted, [{ name: 'a.txt', text: 'a\nb\nc\n' }])).toThrow(
      'has 1 prompts of A, the file holds 2',
    );
  });

  it('keeps a copy that is checked again, whatever the order of its files', async () => {
    const env = { SGOOL_DATA_DIR: join(folder, 'data') };
    const many: KnownSuite = {
      ...small,
      count: 2,
      sha256: suiteHash([
        { id: '1', text: 'z', category: 'last' },
        { id: '2', text: 'a', category: 'first' },
      ]),
      ranges: undefined,
      altered: undefined,
      forms: [
        { 'z.txt': { format: 'txt', category: 'last' }, 'a.txt': { format: 'txt', category: 'first' } },
      ],
    };
    const files = [
      { name: 'a.txt', text: 'a\n' },
      { name: 'z.txt', text: 'z\n' },
    ];
    expect(await storedSuite(many, env)).toBeUndefined();
    const { dir, suite } = await storeSuite(many, files, env);
    expect(await storedSuite(many, env)).toEqual(suite);
    await writeFile(join(dir, 'a.txt'), 'b\n');
    await expect(storedSuite(many, env)).rejects.toThrow('are not those of the list');
    await expect(storeSuite(many, [files[0]], env)).rejects.toThrow('needs z.txt, a.txt');
    expect(await removeSuite('drawbench', env)).toBe(true);
    expect(await removeSuite('drawbench', env)).toBe(false);
  });

  it('fetches the files of the first form, within limits', async () => {
    const answer = (make: () => Response) => ({ fetch: () => Promise.resolve(make()) });
    const text = await fetchSuite(
      small,
      answer(() => new Response('a cat\n')),
    );
    expect(text).toEqual([{ name: 'a.txt', text: 'a cat\n' }]);
    const failing: readonly [Parameters<typeof fetchSuite>[1], string][] = [
      [answer(() => new Response('', { status: 404 })), 'https://example.org/a.txt answers 404'],
      [answer(() => new Response('x'.repeat(5_000_001))), 'is larger than 5000000 bytes'],
      [
        { fetch: () => Promise.reject(new TypeError('fetch failed', { cause: new Error('no route') })) },
        'cannot reach example.org: no route',
      ],
    ];
    for (const [options, message] of failing)
      await expect(fetchSuite(small, options)).rejects.toThrow(message);
    await expect(fetchSuite({ ...small, forms: [small.forms[1]] })).rejects.toThrow('has no address');
    const stopped = AbortSignal.abort(new Error('stopped'));
    await expect(
      fetchSuite(small, { signal: stopped, fetch: () => Promise.reject(stopped.reason) }),
    ).rejects.toThrow('stopped');
  });

  it('names all of them where a name is unknown', () => {
    expect(() => findKnown('drawbenhc')).toThrow(
      `choose one of ${KNOWN_SUITES.map(({ name }) => name).join(', ')}`,
    );
  });
});

/** Copies of the public lists, where this machine has them. */
const LISTS = fileURLToPath(new URL('../../../../../../shared/suites/', import.meta.url));

describe.skipIf(!existsSync(LISTS))(
  'the public lists (skipped where no copies are beside the repository)',
  () => {
    const copies: Readonly<Record<string, readonly string[]>> = {
      csp: ['csp/csp.csv'],
      drawbench: ['drawbench/drawbench_with_category.csv'],
      dailydalle: ['dailydalle/dailydalle.txt'],
      parti: ['parti/PartiPrompts.tsv'],
      geneval: ['geneval/evaluation_metadata.jsonl'],
      imagereward: ['imagereward/benchmark-prompts.json'],
      't2i-compbench': Object.keys(findKnown('t2i-compbench').forms[0]).map(
        (name) => `t2i_compbench/${name}`,
      ),
    };
    const filesOf = (paths: readonly string[]) =>
      Promise.all(
        paths.map(async (path) => ({
          name: path.split('/')[1],
          text: await readFile(join(LISTS, path), 'utf8'),
        })),
      );

    it.each(Object.entries(copies))('%s has its number of prompts and its hash', async (name, paths) => {
      const known = findKnown(name);
      const files = await filesOf(paths);
      const { prompts } = knownSuite(known, files);
      expect(prompts).toHaveLength(known.count);
      // One letter is enough to be another list.
      const changed = files.map((file, i) =>
        i === 0 ? { ...file, text: file.text.replace(' a ', ' the ') } : file,
      );
      expect(() => knownSuite(known, changed)).toThrow(/not those of the list|has no column|needs/);
    });

    it('finds the categories of DrawBench by number: the plain list has the hash of the table', async () => {
      const plain = await filesOf(['drawbench/drawbench_openai.txt']);
      const { prompts, defects } = knownSuite(findKnown('drawbench'), plain);
      expect(prompts.filter(({ category }) => category === 'Counting')).toHaveLength(19);
      expect(defects).toHaveLength(2);
    });
  },
);

describe('openSuite', () => {
  it.each([
    ['toybox', 268, 11, undefined],
    ['toybox-tuning', 268, 11, undefined],
    ['moves', 100, MOVES.length, undefined],
    ['toybox-flow', 256, 12, 'judge-counts'],
    ['toybox-flow-tuning', 256, 12, 'judge-counts'],
  ] as const)('has %s, whose every prompt can be judged', async (name, count, groups, judge) => {
    const suite = await ownSuite(name);
    const { prompts } = suite;
    expect(suite.judge).toBe(judge);
    expect(prompts).toHaveLength(count);
    expect(prompts.every(({ readings = [] }) => readings.length > 0)).toBe(true);
    expect(new Set(prompts.map(({ category }) => category)).size).toBe(groups);
    expect(new Set(prompts.slice(0, groups).map(({ category }) => category)).size).toBe(groups);
  });

  it('says of every thing of moves how it moves', async () => {
    const { prompts } = await ownSuite('moves');
    for (const { text, category, readings = [] } of prompts) {
      const [clauses] = readings;
      const moves = clauses.flatMap((clause) => (clause.claim === 'move' ? clause : []));
      expect(moves.map(({ subject }) => subject)).toEqual([0, 1]);
      expect(moves[0].move).toBe(category);
      expect(moves[1].move).toBe(/both/.test(text) ? category : 'still');
    }
  });

  it.each([
    ['toybox', 'toybox-tuning'],
    ['toybox-flow', 'toybox-flow-tuning'],
  ] as const)('never reports on a prompt that settings were chosen on: %s', async (own, other) => {
    const [reported, tuning] = await Promise.all([ownSuite(own), ownSuite(other)]);
    const texts = new Set(tuning.prompts.map(({ text }) => text));
    expect(reported.prompts.filter(({ text }) => texts.has(text))).toEqual([]);
  });

  it('opens a file of prompts, with what its description says', async () => {
    await writeFile(join(folder, 'My Prompts.csv'), 'Words,Kind\na cat,animal\n');
    await expect(openSuite('My Prompts.csv', folder)).rejects.toThrow('has no column with prompts');
    const columns = { prompt: 'Words', category: 'Kind' };
    const description = { title: 'Mine', columns, judge: 'judge-counts', defects: ['short'] };
    await writeFile(join(folder, 'My Prompts.suite.json'), JSON.stringify(description));
    expect(await openSuite('My Prompts.csv', folder)).toMatchObject({
      name: 'my-prompts',
      title: 'Mine',
      prompts: [{ id: '1', text: 'a cat', category: 'animal' }],
      judge: 'judge-counts',
      defects: ['short'],
    });
    await writeFile(join(folder, 'My Prompts.suite.json'), '{"judge":"me"}');
    await expect(openSuite('My Prompts.csv', folder)).rejects.toThrow(
      'My Prompts.suite.json: judge: Invalid option: expected one of "judge"|"judge-counts"',
    );
    await writeFile(join(folder, 'My Prompts.suite.json'), '{"colums":1}');
    await expect(openSuite('My Prompts.csv', folder)).rejects.toThrow('My Prompts.suite.json: description');
    await writeFile(join(folder, 'csp.txt'), 'a cat\n');
    expect((await openSuite('csp.txt', folder)).name).toBe('own-csp');
  });

  it('says what there is, and how a public list is added', async () => {
    const env = { SGOOL_DATA_DIR: join(folder, 'empty') };
    await expect(openSuite('csp', folder, env)).rejects.toThrow(
      'get it with sgool suites pull csp, or sgool suites add csp',
    );
    await expect(openSuite('attend-and-excite', folder, env)).rejects.toThrow(
      'get it with sgool suites add attend-and-excite a.e_prompts.txt',
    );
    await expect(openSuite('nope', folder, env)).rejects.toThrow(
      `unknown, got nope; choose from ${SUITE_NAMES.join(', ')}`,
    );
    await expect(openSuite('nope.txt', folder, env)).rejects.toThrow('there is no such file');
    await expect(openSuite('.', folder, env)).rejects.toThrow('is no file');
    await writeFile(join(folder, 'binary.txt'), Uint8Array.of(0xff, 0xfe, 0));
    await expect(openSuite('binary.txt', folder, env)).rejects.toThrow('not text in UTF-8');
    await writeFile(join(folder, 'prompts.doc'), 'a cat');
    await expect(openSuite('prompts.doc', folder, env)).rejects.toThrow('says no format');
  });
});
