import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOnFakes } from '../testing.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-suites-command-'));
});
afterAll(() => rm(folder, { recursive: true }));

const suites = (...given: string[]) =>
  runOnFakes(folder, ['suites', ...given], { env: { SGOOL_DATA_DIR: join(folder, 'data') } });

it('lists what there is, and says what is wrong with a list', async () => {
  const { stdout, code } = await suites('list');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^toybox +268 prompts +ready/m);
  expect(stdout).toMatch(/^csp +52 prompts +not added/m);
  const { suites: listed } = JSON.parse((await suites('list', '--json')).stdout);
  expect(listed).toContainEqual(
    expect.objectContaining({ name: 'parti', prompts: 1632, state: 'not added' }),
  );
});

it('shows the prompts of a suite or of a file, by category', async () => {
  const { stdout } = await suites('show', 'toybox', '--category', 'negation', '--json');
  expect(JSON.parse(stdout).prompts).toHaveLength(20);
  expect((await suites('show', 'toybox', '--category', 'nagation')).stderr).toContain(
    'it has one thing, attribute binding',
  );
  await writeFile(join(folder, 'mine.txt'), 'a cat\na dog\n');
  expect((await suites('show', 'mine.txt')).stdout).toBe('1  a cat\n2  a dog\n');
});

it('adds and removes a public list, or says in one line why not', async () => {
  const animals = Array.from({ length: 66 }, (_, i) => `animal ${i}`);
  const both = Array.from({ length: 144 }, (_, i) => `animal and object ${i}`);
  const list = { animals, animals_objects: both, objects: animals.map((text) => `no ${text}`) };
  await writeFile(join(folder, 'a.e_prompts.txt'), JSON.stringify(list));
  const added = await suites('add', 'attend-and-excite', 'a.e_prompts.txt', '--json');
  expect(JSON.parse(added.stdout)).toMatchObject({ name: 'attend-and-excite', prompts: 276 });
  expect((await suites('list')).stdout).toMatch(/^attend-and-excite +276 prompts +ready/m);
  expect((await suites('remove', 'attend-and-excite')).code).toBe(0);
  const wrong: readonly [string[], string][] = [
    [['remove', 'attend-and-excite'], 'is not on this machine'],
    [['add', 'csp', 'none.csv'], 'suites add: there is no file none.csv'],
    [['add', 'csp', '.'], 'does not hold common_syntactic_processes_scenario.py; or csp.csv'],
    [['add', 'cps', 'mine.txt'], 'unknown list, got cps; choose one of csp'],
    [['add', 'dailydalle', 'mine.txt'], 'has 93 prompts, the file holds 2'],
    [['pull', 'attend-and-excite'], 'has no address that it can be fetched from'],
    [['show', 'nope'], 'unknown, got nope'],
  ];
  for (const [given, message] of wrong) {
    const { stderr, code } = await suites(...given);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(code).not.toBe(0);
  }
});
